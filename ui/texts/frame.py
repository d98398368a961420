"""The header, the tabs, and what can go wrong anywhere."""

EN = {
    "frame_tagline": "Teach a picture model one new word from a few pictures.",
    "frame_model": "Base model",
    "frame_model_other": (
        "Another: choose it, or type a folder, a checkpoint file, or owner/name of the Hugging Face Hub "
        "(also owner/name@revision and owner/name:variant)."
    ),
    "frame_model_toybox": "toybox: small, embedded",
    "frame_model_sd15": "sd15: Stable Diffusion 1.5",
    "frame_model_sd21-base": "sd21-base: Stable Diffusion 2.1, 512 px",
    "frame_model_sd21": "sd21: Stable Diffusion 2.1, 768 px",
    "frame_model_sdxl": "sdxl: Stable Diffusion XL",
    "frame_model_waifu": "waifu: Waifu Diffusion (anime)",
    "frame_model_acertainthing": "acertainthing: ACertainThing (anime)",
    "frame_model_cool-japan": "cool-japan: Cool Japan Diffusion 2.1.2",
    "frame_model_facts": "{resolution} px, {parameters:.0f} million parameters, licence: {licence}.",
    "frame_model_download": "It is not on this computer yet and is downloaded first.",
    "frame_model_fetching": "{model} is being downloaded: {done:.2f} of {total:.2f} GB.",
    "frame_model_load": "Load",
    "frame_model_cancel": "Cancel loading",
    "frame_model_loading": "{model} is being loaded …",
    "frame_model_ready": "{model} is ready on {device}.",
    "frame_model_failed": "{model} was not loaded. {reason}",
    "frame_model_none": "No model is loaded: choose one and press Load.",
    "frame_model_fits": "The weights of {model} need {need:.1f} GB of memory; {have:.1f} GB are free here.",
    "frame_model_too_large": (
        "The weights of {model} need {need:.1f} GB of memory, and only {have:.1f} GB are free here."
    ),
    "frame_model_unknown_size": ("How much memory {model} needs is not known here; {have:.1f} GB are free."),
    "frame_model_fixed": "This server uses one model for everyone.",
    "frame_model_busy": "Words are being learned on this model ({count}): wait, or stop them first.",
    "frame_tab_train": "Train",
    "frame_tab_generate": "Generate",
    "frame_tab_compose": "Compose",
    "frame_tab_style": "Style",
    "frame_error": "That did not work",
    "frame_warning": "Please note",
    "frame_info": "Done",
    "frame_sorry": "Sorry, something unexpected went wrong. It is in the server's log as {id}.",
    "frame_no_cookie": (
        "This page keeps your words apart from other people's by a cookie, and your browser sent none: "
        "allow cookies for this page and load it again."
    ),
    "frame_queue_full": "The queue is full: {waiting} waiting. Try again in a moment.",
    "frame_queue_full_for": "The queue is full: {waiting} waiting, about {duration} in all. Try again then.",
    "frame_too_many_jobs": (
        "No other word can be learned now: {count} being learned. Try again when one has finished."
    ),
    "frame_too_many_jobs_for": (
        "No other word can be learned now: {count} being learned. Try again when one has finished, "
        "in about {duration} at most."
    ),
    "frame_no_job": "There is no such training: give the job that /train returned.",
    "frame_not_uploaded": "A picture must be uploaded: give it with handle_file(path).",
    "frame_hours": "{hours:.1f} h",
    "frame_minutes": "{minutes:.0f} min",
    "frame_seconds": "{seconds:.0f} s",
}

JA = {
    "frame_tagline": "数枚の画像から、画像生成モデルに新しいことばをひとつ教えます。",
    "frame_model": "ベースモデル",
    "frame_model_other": (
        "フォルダー、チェックポイントのファイル、Hugging Face Hub の owner/name も入力できます"
        "（owner/name@revision、owner/name:variant も可）。"
    ),
    "frame_model_toybox": "toybox：内蔵の小さなモデル",
    "frame_model_sd15": "sd15：Stable Diffusion 1.5",
    "frame_model_sd21-base": "sd21-base：Stable Diffusion 2.1（512 px）",
    "frame_model_sd21": "sd21：Stable Diffusion 2.1（768 px）",
    "frame_model_sdxl": "sdxl：Stable Diffusion XL",
    "frame_model_waifu": "waifu：Waifu Diffusion（アニメ）",
    "frame_model_acertainthing": "acertainthing：ACertainThing（アニメ）",
    "frame_model_cool-japan": "cool-japan：Cool Japan Diffusion 2.1.2",
    "frame_model_facts": "{resolution} px、パラメーター {parameters:.0f}M、ライセンス：{licence}。",
    "frame_model_download": "このコンピューターにまだないため、先にダウンロードします。",
    "frame_model_fetching": "{model} をダウンロードしています：{total:.2f} GB 中 {done:.2f} GB。",
    "frame_model_load": "読み込む",
    "frame_model_cancel": "読み込みを中止",
    "frame_model_loading": "{model} を読み込んでいます…",
    "frame_model_ready": "{model} を {device} で使えます。",
    "frame_model_failed": "{model} を読み込めませんでした。{reason}",
    "frame_model_none": "ベースモデルが読み込まれていません。選んで「読み込む」を押してください。",
    "frame_model_fits": ("{model} の重みには {need:.1f} GB のメモリが必要です。空きは {have:.1f} GB です。"),
    "frame_model_too_large": (
        "{model} の重みには {need:.1f} GB のメモリが必要ですが、空きは {have:.1f} GB しかありません。"
    ),
    "frame_model_unknown_size": (
        "{model} に必要なメモリは、ここではわかりません。空きは {have:.1f} GB です。"
    ),
    "frame_model_fixed": "このサーバーでは、全員がひとつのモデルを使います。",
    "frame_model_busy": (
        "このモデルで {count} 個のことばを学習しています。終わるまで待つか、先に中断してください。"
    ),
    "frame_tab_train": "学習",
    "frame_tab_generate": "生成",
    "frame_tab_compose": "組み合わせ",
    "frame_tab_style": "スタイル",
    "frame_error": "できませんでした",
    "frame_warning": "ご確認ください",
    "frame_info": "完了しました",
    "frame_sorry": (
        "申し訳ありません。予期しない問題が起きました。サーバーのログに {id} として記録されています。"
    ),
    "frame_no_cookie": (
        "このページでは、それぞれの人のことばを Cookie で区別していますが、ブラウザーから Cookie が"
        "届きませんでした。このページの Cookie を許可して、読み込み直してください。"
    ),
    "frame_queue_full": "順番待ちがいっぱいです（{waiting} 件）。少し待ってから、もう一度お試しください。",
    "frame_queue_full_for": (
        "順番待ちがいっぱいです（{waiting} 件、全部で約 {duration}）。そのころに、もう一度お試しください。"
    ),
    "frame_too_many_jobs": (
        "今はこれ以上学習できません（学習中のことば：{count} 個）。"
        "どれかが終わってから、もう一度お試しください。"
    ),
    "frame_too_many_jobs_for": (
        "今はこれ以上学習できません（学習中のことば：{count} 個）。"
        "どれかが終わってから（長くて約 {duration}後）、もう一度お試しください。"
    ),
    "frame_no_job": "その学習はありません。/train が返した値を指定してください。",
    "frame_not_uploaded": "画像をアップロードしてください（handle_file(path) を使います）。",
    "frame_hours": "{hours:.1f} 時間",
    "frame_minutes": "{minutes:.0f} 分",
    "frame_seconds": "{seconds:.0f} 秒",
}
