"""The Compose tab, and the cards to choose words from."""

EN = {
    "cards_object": "thing",
    "cards_style": "style",
    "cards_other_model": "of another model: {model}",
    "cards_teach": "Teach a word",
    "cards_ready": "Try with ready-made words",
    "cards_ready_elsewhere": (
        "The ready-made words belong to the embedded model: choose toybox at the top of the page first."
    ),
    "cards_ready_nowhere": (
        "The ready-made words belong to the embedded model, which this server does not use: teach a word."
    ),
    "compose_choose": "Choose two to four of your words.",
    "compose_chosen": (
        "Words chosen: {count}. Choose one again to take it out. "
        "A weight above 1 brings a word out, one below holds it back."
    ),
    "compose_most": "{count} words are the most for one picture: take one out first.",
    "compose_few": (
        "Two words of the model in use can be put together, and you have {count}. "
        "Teach one from a few pictures first, or try with the ready-made ones."
    ),
    "compose_weight": "Weight of {token}",
    "compose_sentences": "Begin with",
    "compose_grid": "Grid over the weights",
    "compose_grid_info": (
        "When one word drowns another, this shows which weights let both be seen. "
        "All pictures have the same seed."
    ),
    "compose_weights_down": "Weights of {token}, downwards",
    "compose_weights_across": "Weights of {token}, across",
    "compose_grid_draw": "Draw the grid",
    "compose_bad_weights": "Write each list of weights as numbers between commas, such as 0.5, 1, 1.5.",
    "compose_grid_large": "The grid would have {count} pictures: give fewer weights, for {most} at most.",
    "compose_blend": "Blend of two words",
    "compose_blend_info": "A new word on the way from one of two chosen words to the other.",
    "compose_blend_two": "A blend takes two words: choose exactly two.",
    "compose_share": "From {first} (0) to {second} (1)",
    "compose_name": "Name of the blend",
    "compose_name_info": "What the blend is called in the pictures' recipes, and among your words.",
    "compose_blend_draw": "Draw the blend",
    "compose_keep": "Keep it as a word",
    "compose_kept": "{token} is one of your words now.",
}

JA = {
    "cards_object": "もの",
    "cards_style": "スタイル",
    "cards_other_model": "別のモデル用：{model}",
    "cards_teach": "ことばを学習する",
    "cards_ready": "用意されたことばで試す",
    "cards_ready_elsewhere": (
        "用意されたことばは内蔵モデル用です。まず、ページの上部で toybox を選んでください。"
    ),
    "cards_ready_nowhere": (
        "用意されたことばは内蔵モデル用で、このサーバーでは使えません。ことばを学習してください。"
    ),
    "compose_choose": "組み合わせることばを 2〜4 個選んでください。",
    "compose_chosen": (
        "選択中のことば：{count} 個。もう一度選ぶと外れます。"
        "重みを 1 より大きくすると強く、小さくすると弱く現れます。"
    ),
    "compose_most": "1 枚に入れられることばは {count} 個までです。先にどれかを外してください。",
    "compose_few": (
        "組み合わせるには、使用中のモデルのことばが 2 つ必要です（今は {count} 個）。"
        "まず、数枚の画像からことばを学習するか、用意されたことばで試してください。"
    ),
    "compose_weight": "{token} の重み",
    "compose_sentences": "文の例",
    "compose_grid": "重みの比較表",
    "compose_grid_info": (
        "片方のことばが消えてしまうときに、両方が現れる重みを探せます。どの画像も同じシードです。"
    ),
    "compose_weights_down": "{token} の重み（縦）",
    "compose_weights_across": "{token} の重み（横）",
    "compose_grid_draw": "比較表を生成する",
    "compose_bad_weights": "重みは、0.5, 1, 1.5 のように、数字をカンマで区切って書いてください。",
    "compose_grid_large": "比較表が {count} 枚になります。重みの数を減らして、{most} 枚以内にしてください。",
    "compose_blend": "2 つのことばのブレンド",
    "compose_blend_info": "選んだ 2 つのことばの間にある、新しいことばを作ります。",
    "compose_blend_two": "ブレンドにはことばが 2 つ必要です。ちょうど 2 つ選んでください。",
    "compose_share": "{first}（0）から {second}（1）まで",
    "compose_name": "ブレンドの名前",
    "compose_name_info": "画像のレシピと「わたしのことば」で使われる名前です。",
    "compose_blend_draw": "ブレンドを生成する",
    "compose_keep": "ことばとして残す",
    "compose_kept": "{token} を「わたしのことば」に加えました。",
}
