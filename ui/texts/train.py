"""The tab that learns a word."""

EN = {
    "train_about": (
        "Give three to five pictures of one thing, or of one style. The model learns a word for it, which "
        "you can then use in any sentence."
    ),
    # Pictures
    "train_examples": "Try it with an example:",
    "train_example_monster": "A monster",
    "train_example_teapot": "A teapot",
    "train_example_cat": "A cat",
    "train_example_x-ray": "A style: x-ray",
    "train_put_back": "Back to your own pictures",
    "train_upload": "Pictures: drop them here, choose them, or paste one",
    "train_picture": "Picture {number} ({name})",
    "train_edit": "Crop, describe",
    "train_edit_named": "Crop or describe {name}",
    "train_remove": "Remove",
    "train_remove_named": "Remove {name}",
    "train_whole": "The whole picture; the bright part is kept",
    "train_kept": "What the model sees",
    "train_zoom": "Zoom",
    "train_across": "Left – right",
    "train_down": "Up – down",
    "train_caption": "Description (may stay empty)",
    "train_caption_info": (
        "What else is in this picture, such as “on a red sofa”: what you name, the word need not learn."
    ),
    "train_editor_close": "Done",
    "train_too_many": "No more than {limit} pictures can be used for one word; the rest were left out.",
    "train_too_large": "{name} is larger than {limit} MB: make it smaller in a picture editor.",
    "train_rejected": "Left out: {reason}",
    "train_same_as": "nearly the same as {name}: another view would teach more",
    "train_few": "So far: {count}. It will do, but three to five from different sides teach the word better.",
    "train_same_background": (
        "The edges of all pictures look alike. If that is the background, the word will learn it too: "
        "pictures in different places help."
    ),
    "train_no_pictures": "Add a picture first: three to five are best.",
    # Name, kind, initial word
    "train_token": "Name",
    "train_token_info": "What you will call it.",
    "train_name_becomes": "In your sentences it will be {token}.",
    "train_name_taken": "You have a word {token} already.",
    "train_name_taken_start": "You have a word {token} already: choose another name, such as {free}.",
    "train_name_in_training": "A word {token} is being learned already: choose another name, or wait for it.",
    "train_use_free": "Use {token}",
    "train_kind": "What is it?",
    "train_kind_info": "A style is how things are drawn, whatever they are.",
    "train_kind_object": "A thing",
    "train_kind_style": "A style",
    "train_initializer": "Initial word",
    "train_initializer_info": (
        "A known word to start from, such as “cat”. auto: the model finds the best one."
    ),
    "train_suggest": "Suggest one",
    "train_suggesting": "The model tries {count} known words on your pictures …",
    "train_suggested": "Of the words it knows, “{word}” describes your pictures best.",
    # How long
    "train_preset": "How thoroughly?",
    "train_preset_info": "The times are measured on this machine; training often ends earlier by itself.",
    "train_preset_quick": "Quick",
    "train_preset_balanced": "Balanced",
    "train_preset_thorough": "Thorough",
    "train_preset_own": "Own settings",
    "train_preset_time": "{preset}: at most {time}",
    "train_time": "This takes at most {time} here ({steps} steps). You may close the page meanwhile.",
    "train_time_slices": (
        "At most {steps} steps. Keep this page open: closing it pauses the training, and Resume goes on "
        "from there."
    ),
    "train_left_at_most": ", at most {duration} left",
    "train_start": "Learn the word",
    "train_over_limit": "Others use this server too. {setting} is {value}: lower it to {most}, or less.",
    "train_step_rows": "Batch size × gradient accumulation",
    "train_model_loading": "The model is still being loaded. Try again in a moment.",
    # Every setting
    "train_settings": "All settings",
    "train_vectors": "Vectors",
    "train_vectors_info": (
        "How many the word consists of. One bends to sentences best; more hold more detail."
    ),
    "train_steps": "Steps",
    "train_steps_info": "How many corrections the word gets at most.",
    "train_batch_size": "Batch size",
    "train_batch_size_info": (
        "Noisy views that one step looks at together. More are calmer, slower, and need memory."
    ),
    "train_gradient_accumulation": "Gradient accumulation",
    "train_gradient_accumulation_info": "Batches in one step: a larger batch that needs no more memory.",
    "train_learning_rate": "Learning rate",
    "train_learning_rate_info": "How far a step goes. 0: what suits the model.",
    "train_lr_schedule": "Learning rate over time",
    "train_lr_schedule_info": "Falling to zero lets the word settle at the end.",
    "train_lr_schedule_constant": "Constant",
    "train_lr_schedule_linear": "Falls in a line",
    "train_lr_schedule_cosine": "Falls as a cosine",
    "train_lr_warmup_steps": "Warm-up steps",
    "train_lr_warmup_steps_info": "Steps until the full learning rate is reached.",
    "train_max_grad_norm": "Largest gradient",
    "train_max_grad_norm_info": "A longer gradient is shortened to this norm. 0: never.",
    "train_norm_control": "Length of the vectors",
    "train_norm_control_info": "Each vector may grow, or keeps the mean length of known words.",
    "train_norm_control_free": "Free",
    "train_norm_control_fixed": "As known words",
    "train_snr_gamma": "Min-SNR gamma",
    "train_snr_gamma_info": ("Gives views with little noise less weight; 5 is usual. 0: all weigh the same."),
    "train_timestep_bias": "Timestep bias",
    "train_timestep_bias_info": (
        "-1 to 1: below 0 views with little noise count more, above 0 those with much. 0: the model's own."
    ),
    "train_flip": "Mirror images",
    "train_flip_info": "Learn from each picture mirrored too. Not for text or one-sided things.",
    "train_use_mask": "Respect transparency",
    "train_use_mask_info": "Transparent parts of pictures do not count.",
    "train_gradient_checkpointing": "Save memory",
    "train_gradient_checkpointing_info": "Gradient checkpointing: less memory, more time.",
    "train_stop": "End by itself",
    "train_stop_info": "When the loss on fixed views has levelled, or only after all steps.",
    "train_stop_auto": "When it has levelled",
    "train_stop_never": "After all steps",
    "train_stop_window": "Checks to compare",
    "train_stop_window_info": "How many of the last checks must be alike for it to end.",
    "train_stop_threshold": "How alike",
    "train_stop_threshold_info": "It ends when they vary by less than this share of all checks' variance.",
    "train_eval_every": "Check every … steps",
    "train_eval_every_info": "How often the loss on fixed views is measured; such steps can be kept later.",
    "train_eval_rows": "Views of a check",
    "train_eval_rows_info": "How many fixed noisy views. More measure better and take longer.",
    "train_preview_every": "Preview every … steps",
    "train_preview_every_info": "How often a picture is drawn to look at. 0: never.",
    "train_checkpoint_every": "Save every … steps",
    "train_checkpoint_every_info": "What a power cut may cost at most.",
    "train_seed": "Seed",
    "train_seed_info": "The same seed, pictures and settings give the same word again.",
    # A run
    "train_runs": "Your trainings",
    "train_new": "+ Learn a new word",
    "train_run_gone": "This training is no longer there. Load the page again.",
    "train_title": "Training of {token}",
    "train_progress": "Progress of the training",
    "train_phase_waiting": "Waiting for its turn",
    "train_phase_preparing": "Looking at the pictures and for a word to start from",
    "train_phase_training": "Step {step} of {steps}",
    "train_phase_stopping": "Stopping after this step; what was learned so far is kept",
    "train_phase_by_hand": "Stopped after step {step} of {steps}. It can be resumed from there.",
    "train_phase_levelled": "Finished after {step} steps: the loss on the fixed views had levelled.",
    "train_phase_steps": "Finished: all {steps} steps are done.",
    "train_phase_failed": "The training has failed. {reason}",
    "train_stop_now": "Stop",
    "train_resume": "Resume",
    "train_another": "Learn another word",
    "train_ends_auto": (
        "It ends when the loss on {rows} fixed views, measured every {every} steps, has levelled (the last "
        "{window} vary by less than {share:g} % of all), and after {steps} steps at the latest."
    ),
    "train_ends_never": "It ends after {steps} steps.",
    "train_companions": "Other words learned in the same batch, of anyone who trains here now: {count}.",
    "train_initial_found": "It started from “{word}”, the known word that describes the pictures best.",
    "train_initial_given": "It started from “{word}”.",
    "train_nearest": "Known words nearest to it: {words} (1 would be the same).",
    "train_real_pictures": "Your pictures",
    "train_previews": "What {token} draws after so many steps, always from seed {seed}",
    "train_previews_none": "The first picture comes at step {step}.",
    "train_no_preview": "Training went on without the preview of step {step}: {reason}",
    "train_preview_of": "Preview after {step} steps",
    # The chart
    "train_chart_title": "Loss over the steps",
    "train_chart_about": (
        "The evaluation loss began at {first:.4f} and is {last:.4f} after {step} steps; the lowest was "
        "{best:.4f} after {best_step}."
    ),
    "train_chart_point": "Step {step}: {loss:.4f}",
    "train_chart_steps": "Steps",
    "train_chart_loss": "Loss (lower is better)",
    "train_chart_evaluation": "on the same noisy views each time",
    "train_chart_raw": "of each step, mostly chance (not to scale)",
    # The result
    "train_in_library": "{token} is learned and among your words.",
    "train_not_in_library": "This word is not among your words (any more). “Use it” puts it back.",
    "train_use": "Use it in Generate",
    "train_download": "Download the word",
    "train_draw_evidence": "Draw the comparison",
    "train_evidence_real": "Your pictures",
    "train_evidence_initial": "The initial word",
    "train_evidence_learned": "The learned word",
    "train_evidence_scene": "In a new scene",
    "train_evidence_seed": "All drawn with seed {seed}, so what differs is the word's doing.",
    "train_loss_lower": (
        "Measured on {rows} noisy views of your pictures, the same each time: the model's error is "
        "{first:.4f} with “{word}” and {best:.4f} with the word after {step} steps, {percent:.1f} % lower. "
        "Lower means that the word describes your pictures better. How good new pictures are, only looking "
        "tells."
    ),
    "train_loss_not_lower": (
        "Measured on {rows} noisy views of your pictures, the same each time: the model's error is "
        "{first:.4f} with “{word}” and {best:.4f} with the word after {step} steps, not lower. So far the "
        "word describes your pictures no better than the one it started from; more steps or other pictures "
        "may help."
    ),
    "train_course": "How it learned",
    "train_saved_steps": "Keep an earlier step",
    "train_step": "Step",
    "train_step_info": (
        "Of the last steps, the best by the loss is chosen; an earlier one is often freer in new scenes."
    ),
    "train_step_facts": "After {step} steps: evaluation loss {loss:.4f}.",
    "train_step_no_preview": "No preview was drawn at this step.",
    "train_keep": "Keep this step",
    "train_kept_step": "{token} is now the word as it was after {step} steps.",
}

JA = {
    "train_about": (
        "ひとつのもの、またはひとつのスタイルの画像を 3〜5 枚用意してください。モデルがそれを表すことば"
        "を学習し、どんな文の中でも使えるようになります。"
    ),
    # Pictures
    "train_examples": "例で試す：",
    "train_example_monster": "モンスター",
    "train_example_teapot": "ティーポット",
    "train_example_cat": "ネコ",
    "train_example_x-ray": "スタイル：X 線",
    "train_put_back": "自分の画像に戻す",
    "train_upload": "画像：ここにドロップ、選択、または貼り付け",
    "train_picture": "画像 {number}（{name}）",
    "train_edit": "切り抜き・キャプション",
    "train_edit_named": "{name} を切り抜く、またはキャプションを付ける",
    "train_remove": "取り除く",
    "train_remove_named": "{name} を取り除く",
    "train_whole": "画像の全体（明るい部分を使います）",
    "train_kept": "モデルが見る画像",
    "train_zoom": "拡大",
    "train_across": "左 – 右",
    "train_down": "上 – 下",
    "train_caption": "キャプション（空でもかまいません）",
    "train_caption_info": (
        "学習するもの以外に、この画像に写っているもの（英語で。例：on a red sofa）。書いたものはことば"
        "に含まれにくくなります。"
    ),
    "train_editor_close": "閉じる",
    "train_too_many": "ひとつのことばに使える画像は {limit} 枚までです。残りは使いません。",
    "train_too_large": "{name} は {limit} MB を超えています。画像編集ソフトで小さくしてください。",
    "train_rejected": "使えない画像：{reason}",
    "train_same_as": "{name} とほとんど同じです（別の角度の画像のほうがよく学習できます）",
    "train_few": "{count} 枚でも学習できますが、いろいろな角度から撮った 3〜5 枚のほうがよく学習できます。",
    "train_same_background": (
        "すべての画像の縁がよく似ています。同じ背景なら、背景もことばに含まれてしまいます。"
        "別の場所の画像を混ぜてください。"
    ),
    "train_no_pictures": "先に画像を追加してください。3〜5 枚が最適です。",
    # Name, kind, initial word
    "train_token": "名前",
    "train_token_info": "呼び名を英数字とハイフンで入力してください（例：our-cat）。",
    "train_name_becomes": "プロンプトでは {token} と書きます。",
    "train_name_taken": "{token} ということばはすでにあります。",
    "train_name_taken_start": "{token} ということばはすでにあります。{free} など、別の名前にしてください。",
    "train_name_in_training": "{token} はいま学習中です。別の名前にするか、終わるまでお待ちください。",
    "train_use_free": "{token} にする",
    "train_kind": "種類",
    "train_kind_info": "スタイルとは、何を描くかによらない、描き方のことです。",
    "train_kind_object": "もの",
    "train_kind_style": "スタイル",
    "train_initializer": "初期語",
    "train_initializer_info": "学習の出発点にする英単語（例：cat）。auto ならモデルが最適な単語を探します。",
    "train_suggest": "候補を探す",
    "train_suggesting": "モデルが {count} 個の単語を画像に当てはめています…",
    "train_suggested": "モデルが知っている単語のうち、画像に最も合うのは「{word}」です。",
    # How long
    "train_preset": "学習の丁寧さ",
    "train_preset_info": "時間はこのマシンで測ったものです。多くの場合、もっと早く自動で終わります。",
    "train_preset_quick": "手早く",
    "train_preset_balanced": "標準",
    "train_preset_thorough": "じっくり",
    "train_preset_own": "カスタム",
    "train_preset_time": "{preset}：最長 {time}",
    "train_time_slices": (
        "最長 {steps} ステップです。このページを開いたままにしてください。"
        "閉じると学習が止まりますが、「再開」で続きから学習できます。"
    ),
    "train_left_at_most": "、残り最長 {duration}",
    "train_time": (
        "ここでは最長 {time}かかります（{steps} ステップ）。その間、ページを閉じてもかまいません。"
    ),
    "train_start": "学習を始める",
    "train_over_limit": (
        "このサーバーはほかの人も使っています。{setting}は {most} までにしてください（今の値：{value}）。"
    ),
    "train_step_rows": "バッチサイズ × 勾配の累積回数",
    "train_model_loading": "ベースモデルを読み込んでいます。少し待って、もう一度お試しください。",
    # Every setting
    "train_settings": "すべての設定",
    "train_vectors": "ベクトルの数",
    "train_vectors_info": "ことばを作るベクトルの数。1 なら文になじみやすく、多いほど細部を覚えます。",
    "train_steps": "ステップ数",
    "train_steps_info": "ことばのベクトルを最大で何回更新するか。",
    "train_batch_size": "バッチサイズ",
    "train_batch_size_info": (
        "1 回に見るノイズ入り画像の数。多いほど安定しますが、遅くなり、メモリを使います。"
    ),
    "train_gradient_accumulation": "勾配の累積回数",
    "train_gradient_accumulation_info": (
        "1 ステップのバッチの数。メモリを増やさずに大きなバッチと同じ効果があります。"
    ),
    "train_learning_rate": "学習率",
    "train_learning_rate_info": "1 ステップで進む大きさ。0 ならモデルに合った値を使います。",
    "train_lr_schedule": "学習率スケジューラー",
    "train_lr_schedule_info": "0 まで下げると、学習の最後が安定します。",
    "train_lr_schedule_constant": "一定",
    "train_lr_schedule_linear": "直線で下げる",
    "train_lr_schedule_cosine": "コサインで下げる",
    "train_lr_warmup_steps": "ウォームアップのステップ数",
    "train_lr_warmup_steps_info": "学習率が最大になるまでのステップ数。",
    "train_max_grad_norm": "勾配の上限",
    "train_max_grad_norm_info": "これより長い勾配をこの長さに縮めます。0 なら縮めません。",
    "train_norm_control": "ベクトルの長さ",
    "train_norm_control_info": "ベクトルの長さを自由にするか、既知の単語の平均に保つか。",
    "train_norm_control_free": "自由",
    "train_norm_control_fixed": "既知の単語と同じ",
    "train_snr_gamma": "Min-SNR のガンマ",
    "train_snr_gamma_info": "ノイズの少ない画像の重みを下げます（通常は 5）。0 ならすべて同じ重みです。",
    "train_timestep_bias": "タイムステップの偏り",
    "train_timestep_bias_info": (
        "-1〜1。負ならノイズの少ない画像、正なら多い画像を重視します。0 ならモデルに合った値を使います。"
    ),
    "train_flip": "左右反転",
    "train_flip_info": "左右を反転した画像でも学習します。文字や左右で違うものには向きません。",
    "train_use_mask": "透明部分を除く",
    "train_use_mask_info": "画像の透明な部分を学習の対象にしません。",
    "train_gradient_checkpointing": "メモリを節約",
    "train_gradient_checkpointing_info": "勾配チェックポインティング。メモリが減り、時間が延びます。",
    "train_stop": "自動停止",
    "train_stop_info": "固定した画像での損失が横ばいになったら終えるか、全ステップを実行するか。",
    "train_stop_auto": "横ばいになったら終える",
    "train_stop_never": "全ステップを実行する",
    "train_stop_window": "比べる評価の回数",
    "train_stop_window_info": "直近の何回の評価が同じくらいの値なら終えるか。",
    "train_stop_threshold": "自動停止のしきい値",
    "train_stop_threshold_info": "最近の評価のばらつきが、全体のばらつきのこの割合を下回ったら終えます。",
    "train_eval_every": "評価の間隔",
    "train_eval_every_info": "固定した画像での損失を何ステップごとに測るか。そのステップは後から選べます。",
    "train_eval_rows": "評価に使う画像の数",
    "train_eval_rows_info": "毎回同じノイズ入り画像を何枚使うか。多いほど正確で、時間がかかります。",
    "train_preview_every": "プレビューの間隔",
    "train_preview_every_info": "何ステップごとに画像を生成して見せるか。0 ならしません。",
    "train_checkpoint_every": "途中保存の間隔",
    "train_checkpoint_every_info": "停電などで失われる学習は、最大でもこのステップ数分です。",
    "train_seed": "シード",
    "train_seed_info": "シードと画像と設定が同じなら、同じことばになります。",
    # A run
    "train_runs": "学習の一覧",
    "train_new": "＋ 新しいことばを学習する",
    "train_run_gone": "この学習はもうありません。ページを読み込み直してください。",
    "train_title": "{token} の学習",
    "train_progress": "学習の進み具合",
    "train_phase_waiting": "順番を待っています",
    "train_phase_preparing": "画像を調べ、出発点になる単語を探しています",
    "train_phase_training": "{step} / {steps} ステップ",
    "train_phase_stopping": "このステップの後に中断します。ここまでの学習結果は残ります",
    "train_phase_by_hand": "{step} / {steps} ステップで中断しました。続きから再開できます。",
    "train_phase_levelled": "{step} ステップで終わりました。固定した画像での損失が横ばいになったためです。",
    "train_phase_steps": "{steps} ステップすべてが終わりました。",
    "train_phase_failed": "学習に失敗しました。{reason}",
    "train_stop_now": "中断",
    "train_resume": "再開",
    "train_another": "別のことばを学習する",
    "train_ends_auto": (
        "{every} ステップごとに測る損失（固定した {rows} 枚）が横ばいになったら（最近 {window} "
        "回のばらつきが全体の {share:g} % 未満）終わります。遅くとも {steps} ステップで終わります。"
    ),
    "train_ends_never": "{steps} ステップで終わります。",
    "train_companions": (
        "同じバッチで、ほかに {count} 個のことばを学習しています（ほかの人のものも含みます）。"
    ),
    "train_initial_found": "画像に最も合う単語「{word}」から始めました。",
    "train_initial_given": "「{word}」から始めました。",
    "train_nearest": "最も近い既知の単語：{words}（1 なら同じ）。",
    "train_real_pictures": "元の画像",
    "train_previews": "各ステップ後に {token} で生成した画像（シードは常に {seed}）",
    "train_previews_none": "最初の画像はステップ {step} で生成します。",
    "train_no_preview": "ステップ {step} のプレビューを生成できませんでしたが、学習は続けました。{reason}",
    "train_preview_of": "{step} ステップ後のプレビュー",
    # The chart
    "train_chart_title": "ステップごとの損失",
    "train_chart_about": (
        "評価の損失は {first:.4f} から始まり、{step} ステップ後は {last:.4f} です。最小は {best_step} "
        "ステップ後の {best:.4f} です。"
    ),
    "train_chart_point": "ステップ {step}：{loss:.4f}",
    "train_chart_steps": "ステップ",
    "train_chart_loss": "損失（低いほどよい）",
    "train_chart_evaluation": "毎回同じノイズ入り画像での損失",
    "train_chart_raw": "各ステップの損失（ほとんどは偶然の変動。縮尺は別）",
    # The result
    "train_in_library": "{token} を学習し、「わたしのことば」に加えました。",
    "train_not_in_library": "このことばは「わたしのことば」にありません。「生成で使う」を押すと戻ります。",
    "train_use": "生成で使う",
    "train_download": "ことばをダウンロード",
    "train_draw_evidence": "比較の画像を生成する",
    "train_evidence_real": "元の画像",
    "train_evidence_initial": "初期語",
    "train_evidence_learned": "学習したことば",
    "train_evidence_scene": "新しい場面",
    "train_evidence_seed": "すべてシード {seed} で生成しました。違いはことばによるものです。",
    "train_loss_lower": (
        "毎回同じ {rows} 枚のノイズ入り画像で測ったモデルの誤差は、「{word}」では {first:.4f}、{step} "
        "ステップ後のことばでは {best:.4f} で、{percent:.1f} % 下がりました。低いほどことば"
        "が元の画像をよく表しています。新しい画像の出来は、見て確かめてください。"
    ),
    "train_loss_not_lower": (
        "毎回同じ {rows} 枚のノイズ入り画像で測ったモデルの誤差は、「{word}」では {first:.4f}、{step} "
        "ステップ後のことばでは {best:.4f} で、下がっていません。今のところ、"
        "このことばは出発点の単語よりも元の画像をよく表しているとは言えません。ステップを増やすか、別の画像を試して"
        "ください。"
    ),
    "train_course": "学習の経過",
    "train_saved_steps": "途中のステップを使う",
    "train_step": "ステップ",
    "train_step_info": (
        "最後のほうで損失が最小のステップを選んであります。早いステップのほうが、新しい場面になじむこともあります。"
    ),
    "train_step_facts": "{step} ステップ後：評価の損失 {loss:.4f}。",
    "train_step_no_preview": "このステップのプレビューはありません。",
    "train_keep": "このステップを使う",
    "train_kept_step": "{token} を、{step} ステップ後のものに替えました。",
}
