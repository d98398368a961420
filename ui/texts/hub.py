"""Words on the Hugging Face Hub: publishing one's own, and finding those of others."""

EN = {
    "hub_publish_title": "Publish on the Hub",
    "hub_publish_about": (
        "Makes a repository on Hugging Face that diffusers, stable-diffusion-webui and this program can "
        "read. It holds the word, how it was learned, and pictures drawn to compare, if there are any."
    ),
    "hub_name": "Repository",
    "hub_name_info": "owner/name; your own name comes before the slash.",
    "hub_private": "Private",
    "hub_private_info": "Only you can see it.",
    "hub_pictures": "Also my training pictures",
    "hub_pictures_info": "Without this, your pictures stay here.",
    "hub_publish": "Publish",
    "hub_who": "You are {name} on Hugging Face.",
    "hub_login_machine": (
        "To publish, log in to Hugging Face: run `hf auth login` in a terminal on this machine, then open "
        "this part again."
    ),
    "hub_login_space": "To publish, sign in with Hugging Face first, with the button below.",
    "hub_login_nowhere": (
        "Nobody can sign in on this server. Download the word, and publish it from your own machine."
    ),
    "hub_publishing": "Publishing…",
    "hub_published": "{token} is published:",
    "hub_was_there": "{token} was there already, just as it is here:",
    "hub_keeps_card": "Its README.md was edited there and stays as it is; delete it there to get a new one.",
    "hub_browse_title": "Words on the Hub",
    "hub_browse_about": "Words that others have published. Add one, then use it like your own.",
    "hub_query": "Name",
    "hub_query_what": "Part of the name",
    "hub_author": "Author",
    "hub_author_what": "Anyone",
    "hub_base": "Base model",
    "hub_base_info": "Choose one, or write owner/name. A word works only with its own kind of model.",
    "hub_base_any": "Any",
    "hub_search": "Search",
    "hub_searching": "Searching the Hub…",
    "hub_none_found": "No word was found. Try a shorter name, or any base model.",
    "hub_found": "Words found: {count}, most used first.",
    "hub_found_more": "The {count} most used words are shown.",
    "hub_more": "Show more",
    "hub_base_unknown": "base model unknown",
    "hub_downloads": "downloads: {count}",
    "hub_add": "Add to my words",
    "hub_add_named": "Add {name} to my words",
    "hub_look_named": "Look at {name} on the Hub",
    "hub_adding": "Fetching {name}…",
    "hub_added": "{token} is one of your words now, for {model}.",
    "hub_guessed": (
        "{token} is one of your words now. Its repository names no base model; {model} is a guess by its "
        "size."
    ),
}

JA = {
    "hub_publish_title": "Hub で公開する",
    "hub_publish_about": (
        "Hugging Face にリポジトリを作ります。diffusers、stable-diffusion-webui、このプログラムで"
        "使えます。ことばと学習の記録が公開されます。比較のために生成した画像があれば、それも公開されます。"
    ),
    "hub_name": "リポジトリ",
    "hub_name_info": "owner/name の形で、スラッシュの前は自分の名前です。",
    "hub_private": "非公開",
    "hub_private_info": "自分だけが見られます。",
    "hub_pictures": "学習に使った画像も公開する",
    "hub_pictures_info": "選ばなければ、学習に使った画像は公開されません。",
    "hub_publish": "公開する",
    "hub_who": "Hugging Face に {name} としてログインしています。",
    "hub_login_machine": (
        "公開するには Hugging Face へのログインが必要です。このマシンのターミナルで `hf auth login` を"
        "実行してから、ここを開き直してください。"
    ),
    "hub_login_space": "公開するには、まず下のボタンで Hugging Face にログインしてください。",
    "hub_login_nowhere": (
        "このサーバーではログインできません。ことばをダウンロードして、自分のマシンから公開してください。"
    ),
    "hub_publishing": "公開しています…",
    "hub_published": "{token} を公開しました：",
    "hub_was_there": "{token} は同じ内容ですでに公開されています：",
    "hub_keeps_card": (
        "README.md は Hub で編集されているため、そのまま残しました。作り直すには Hub で削除してください。"
    ),
    "hub_browse_title": "Hub のことば",
    "hub_browse_about": "ほかの人が公開したことばです。追加すると、自分のものと同じように使えます。",
    "hub_query": "名前",
    "hub_query_what": "名前の一部",
    "hub_author": "作者",
    "hub_author_what": "すべて",
    "hub_base": "ベースモデル",
    "hub_base_info": "選ぶか、owner/name を入力してください。ことばは同じ種類のモデルでだけ使えます。",
    "hub_base_any": "すべて",
    "hub_search": "検索",
    "hub_searching": "Hub を検索しています…",
    "hub_none_found": "見つかりませんでした。名前を短くするか、ベースモデルを「すべて」にしてください。",
    "hub_found": "{count} 個見つかりました（よく使われている順）。",
    "hub_found_more": "よく使われている {count} 個を表示しています。",
    "hub_more": "もっと見る",
    "hub_base_unknown": "ベースモデル不明",
    "hub_downloads": "ダウンロード {count} 回",
    "hub_add": "わたしのことばに追加",
    "hub_add_named": "{name} をわたしのことばに追加",
    "hub_look_named": "{name} を Hub で見る",
    "hub_adding": "{name} を取得しています…",
    "hub_added": "{token} を「わたしのことば」に加えました（{model} 用）。",
    "hub_guessed": (
        "{token} を「わたしのことば」に加えました。リポジトリにベースモデルの記載がないため、{model} は"
        "ベクトルの次元数からの推定です。"
    ),
}
