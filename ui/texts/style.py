"""The Style tab."""

EN = {
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

JA = {
    "style_choose": "どのことばのスタイルにするかを選んでください。",
    "style_no_style": (
        "種類が「スタイル」のことばがまだありません。学習するか、「もの」を選んで見た目を試すか、"
        "用意されたことばで試してください。"
    ),
    "style_none": (
        "スタイルには、使用中のモデルのことばが必要ですが、まだありません。"
        "まず、そのスタイルの画像を数枚使って学習するか、用意されたことばで試してください。"
    ),
    "style_no_word": "まず、上でことばを選んでください。画像はそのスタイルになります。",
    "style_way_subjects": "題材から",
    "style_way_picture": "自分の画像から",
    "style_subjects": "題材",
    "style_subjects_info": "英語で、1 行に 1 つずつ書いてください。ほかのことばも入れられます。",
    "style_subjects_placeholder": "a house",
    "style_no_subjects": "まず、題材をひとつ以上書いてください（例：a house）。",
    "style_many_pictures": (
        "全部で {count} 枚になります。題材か枚数を減らして、{most} 枚以内にしてください。"
    ),
    "style_picture": "画像",
    "style_no_picture": "まず、画像をドロップするか、貼り付けるか、例から選んでください。",
    "style_strength": "強さ",
    "style_strength_info": (
        "どれだけ描き直すか。小さいほど元の画像が残ります。画像は、生成する画像の縦横比に合わせて切り抜かれます。"
    ),
    "style_comparison": "変換前と変換後",
}
