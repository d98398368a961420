"""Texts of the Style tab."""

TEXTS = {
    "style_choose": "Choose the word whose style to take.",
    "style_no_style": (
        "None of your words is a style yet: choose a thing to try its look, teach a style, or try with the "
        "ready-made one."
    ),
    "style_none": (
        "A style is taken from a word of the model in use, and you have none. "
        "Teach one from a few pictures of that style first, or try with the ready-made one."
    ),
    "style_no_word": "Choose a word at the top first: the pictures take its style.",
    "style_way_subjects": "Subjects",
    "style_way_picture": "A picture of mine",
    "style_subjects": "Subjects",
    "style_subjects_info": "In English, one on each line; your other words may be in them.",
    "style_subjects_placeholder": "a house",
    "style_no_subjects": "Write at least one subject first, such as “a house”.",
    "style_many_pictures": (
        "That would be {count} pictures: give fewer subjects, or fewer pictures of each, for {most} at most."
    ),
    "style_picture": "Picture",
    "style_no_picture": "Give a picture first: drop it in, paste it, or take one of the examples.",
    "style_strength": "Strength",
    "style_strength_info": (
        "How much is drawn anew; less keeps more of the picture. It is cropped to the shape of the drawing."
    ),
    "style_comparison": "Before and after",
}
