"""What the judge says of pictures."""

EN = {
    "verdict_marks": "✓ and ✗ under a picture: whether {judge} finds the word in it.",
    "verdict_none": "Which words are in a picture is not judged. {reason}",
    "verdict_no_pictures": "{token} came without pictures to compare with.",
    "verdict_likeness": (
        "{judge} finds the picture with {token} {level}: likeness {learned:.2f}, with “{word}” "
        "{initial:.2f}, your pictures to each other {real:.2f}."
    ),
    "verdict_level_3": "as much like your pictures as they are like each other, or nearly",
    "verdict_level_2": "much more like your pictures than the one with “{word}”",
    "verdict_level_1": "a little more like your pictures than the one with “{word}”",
    "verdict_level_0": "no more like your pictures than the one with “{word}”",
    "verdict_scene_right": "In the last picture it recognises what was asked for, “{asked}”.",
    "verdict_scene_wrong": "For the last picture “{asked}” was asked, and it rather sees “{seen}”.",
    "verdict_one_seed": "One picture of each is little to go by: draw more in Generate.",
    "verdict_no_judge": "How alike the pictures are is not judged. {reason}",
}

JA = {
    "verdict_marks": "画像の下の ✓ と ✗ は、その「ことば」が画像に現れたかどうか（{judge} の判定）です。",
    "verdict_none": "どの「ことば」が画像に現れたかは判定していません。{reason}",
    "verdict_no_pictures": "{token} には比べるための画像がありません。",
    "verdict_likeness": (
        "{judge} の判定では、{token} の画像は{level}。元の画像との類似度は {learned:.2f}、"
        "「{word}」では {initial:.2f}、元の画像どうしでは {real:.2f} です。"
    ),
    "verdict_level_3": "元の画像どうしと同じくらい、元の画像に似ています",
    "verdict_level_2": "「{word}」の画像よりずっと元の画像に似ています",
    "verdict_level_1": "「{word}」の画像より少し元の画像に似ています",
    "verdict_level_0": "「{word}」の画像と比べて、元の画像に近づいていません",
    "verdict_scene_right": "最後の画像は、指定どおり「{asked}」と認識されました。",
    "verdict_scene_wrong": "最後の画像には「{asked}」を指定しましたが、「{seen}」に近いと判定されました。",
    "verdict_one_seed": "1 枚ずつの比較は目安です。「生成」でもっと描いて確かめてください。",
    "verdict_no_judge": "画像がどれだけ似ているかは判定していません。{reason}",
}
