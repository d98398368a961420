"""Texts of the judge's verdicts on pictures."""

TEXTS = {
    "verdict_own_judge": "toybox's own judge",
    "verdict_marks": "✓ and ✗ under a picture: whether {judge} finds the word in it.",
    "verdict_none": "Which words are in a picture is not judged. {reason}",
    "verdict_no_pictures": "{token} came without pictures to compare with.",
    "verdict_likeness": (
        "{judge}: the picture with {token} is {level} (likeness {learned:.2f}; with “{word}” "
        "{initial:.2f}; your pictures among themselves {real:.2f})."
    ),
    "verdict_level_3": "about as much like your pictures as they are like each other",
    "verdict_level_2": "much more like your pictures than the one with “{word}”",
    "verdict_level_1": "a little more like your pictures than the one with “{word}”",
    "verdict_level_0": "no more like your pictures than the one with “{word}”",
    "verdict_scene_right": (
        "In the last picture the judge recognises what was asked for, “{asked}” (agreement "
        "{agreement:.2f}; the next closest scene, “{rival}”, {rival_agreement:.2f})."
    ),
    "verdict_scene_wrong": (
        "For the last picture “{asked}” was asked (agreement {agreement:.2f}), and the judge rather sees "
        "“{rival}” ({rival_agreement:.2f})."
    ),
    "verdict_one_seed": "One picture of each is little to go by: draw more in Generate.",
    "verdict_no_judge": "How alike the pictures are is not judged. {reason}",
}
