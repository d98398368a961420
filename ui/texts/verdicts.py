"""What the judge says of pictures."""

EN = {
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

JA = {
    "verdict_own_judge": "toybox 専用の判定モデル",
    "verdict_marks": "画像の下の ✓ と ✗ は、そのことばが画像に現れたかどうかの判定です（{judge}）。",
    "verdict_none": "どのことばが画像に現れたかは判定していません。{reason}",
    "verdict_no_pictures": "{token} には比べるための画像がありません。",
    "verdict_likeness": (
        "判定（{judge}）：{token} の画像は{level}（類似度 {learned:.2f}。「{word}」の画像は "
        "{initial:.2f}、元の画像どうしは {real:.2f}）。"
    ),
    "verdict_level_3": "元の画像どうしと同じくらい、元の画像に似ています",
    "verdict_level_2": "「{word}」の画像よりずっと元の画像に似ています",
    "verdict_level_1": "「{word}」の画像より少し元の画像に似ています",
    "verdict_level_0": "「{word}」の画像と比べて、元の画像に近づいていません",
    "verdict_scene_right": (
        "最後の画像は、指定どおり「{asked}」と判定されました（一致度 {agreement:.2f}、次に近い「{rival}」は "
        "{rival_agreement:.2f}）。"
    ),
    "verdict_scene_wrong": (
        "最後の画像は「{asked}」（一致度 {agreement:.2f}）と指定しましたが、「{rival}」"
        "（{rival_agreement:.2f}）に近いと判定されました。"
    ),
    "verdict_one_seed": "1 枚ずつの比較なので目安です。「生成」でもっと描いて確かめてください。",
    "verdict_no_judge": "画像がどれだけ似ているかは判定していません。{reason}",
}
