"""The core's own sentences in Japanese: its errors, and its remarks on pictures.

The core speaks English only. Here each of its sentences stands as a template beside its translation.
"""

# Words that all Japanese texts of the page share:
#
#   concept, (learned) word   ことば                 model, base model      ベースモデル
#   token                     トークン               vector                 ベクトル
#   object / style (kind)     もの / スタイル（種類） initial word           初期語
#   picture                   画像                   caption                キャプション
#   crop                      切り抜き               mask                   マスク
#   training, a run           学習                   learn                  学習する
#   resume / stop             再開 / 中断            step                   ステップ
#   generate, draw            生成                   recipe                 レシピ
#   prompt                    プロンプト             negative prompt        ネガティブプロンプト
#   template                  テンプレート           weight                 重み
#   seed                      シード                 guidance scale         ガイダンススケール
#   scheduler, sampler        サンプラー             strength               強さ
#   load / save               読み込む / 保存する    import / export        取り込む / 書き出す
#   library                   ライブラリ             folder / file          フォルダー / ファイル
#   text encoder              テキストエンコーダー   device / memory        デバイス / メモリ
#
# です・ます; the verb that says what to do ends in 〜てください. A half-width space separates Japanese from
# Latin letters and numbers. Settings and their choices are called as in SETTINGS and CHOICES.

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from string import Formatter

Pairs = tuple[tuple[str, str], ...]
"""English template and Japanese template, with the same placeholders.

A placeholder is a file's name, a token, a number, and passes unchanged; one with a reading after a colon,
such as ``{error:message}``, is translated by the function of that name in ``_READINGS``.
"""

SETTINGS = {
    "token": "トークン",
    "kind": "種類",
    "initializer": "初期語",
    "vectors": "ベクトルの数",
    "steps": "ステップ数",
    "batch_size": "バッチサイズ",
    "gradient_accumulation": "勾配の累積回数",
    "learning_rate": "学習率",
    "lr_schedule": "学習率スケジューラー",
    "lr_warmup_steps": "ウォームアップのステップ数",
    "max_grad_norm": "勾配の上限",
    "norm_control": "ベクトルの長さ",
    "snr_gamma": "Min-SNR のガンマ",
    "timestep_bias": "タイムステップの偏り",
    "flip": "左右反転",
    "use_mask": "透明部分を除く",
    "gradient_checkpointing": "メモリを節約",
    "stop": "自動停止",
    "stop_window": "比べる評価の回数",
    "stop_threshold": "自動停止のしきい値",
    "eval_every": "評価の間隔",
    "eval_rows": "評価に使う画像の数",
    "preview_every": "プレビューの間隔",
    "checkpoint_every": "途中保存の間隔",
    "seed": "シード",
    "prompt": "プロンプト",
    "negative_prompt": "ネガティブプロンプト",
    "count": "枚数",
    "guidance_scale": "ガイダンススケール",
    "scheduler": "サンプラー",
    "width": "幅",
    "height": "高さ",
    "strength": "強さ",
    "weight": "重み",
    "model": "ベースモデル",
    "model_family": "ベースモデルの系列",
    "concepts": "ことば",
    "source_sha256": "元の画像の SHA-256",
    "software": "プログラム",
}

CHOICES = {
    "object": "もの",
    "style": "スタイル",
    "constant": "一定",
    "linear": "直線で下げる",
    "cosine": "コサインで下げる",
    "free": "自由",
    "fixed": "既知の単語と同じ",
    "auto": "自動",
    "never": "全ステップを実行する",
}

_VALUES = {
    "True": "オン",
    "False": "オフ",
    "None": "指定なし",
    **{repr(choice): japanese for choice, japanese in CHOICES.items()},
}

MESSAGES: Pairs = (
    # What keeps the page from working
    (
        "The program is being closed: start the training when it runs again.",
        "プログラムは終了処理中です。もう一度起動してから学習を始めてください。",
    ),
    (
        "{token} is in training already: wait for it, or stop it.",
        "{token} はすでに学習中です。終わるまで待つか、中断してください。",
    ),
    (
        "{token} is being learned on {model}: choose that model, or wait until its training has ended.",
        "{token} を {model} で学習しています。そのモデルを選ぶか、学習が終わるまで待ってください。",
    ),
    (
        "{model} is being loaded: wait for it, or cancel it first.",
        "{model} を読み込んでいます。終わるまで待つか、先に中断してください。",
    ),
    (
        "No model is loaded: choose one at the top of the page.",
        "ベースモデルが読み込まれていません。ページの上部で選んでください。",
    ),
    (
        "The model {name} could not be loaded: {reason}",
        "モデル {name} を読み込めませんでした：{reason}",
    ),
    (
        "The request does not say whose it is: allow cookies and load the page again.",
        "どなたの操作か確認できません。Cookie を許可して、ページを読み込み直してください。",
    ),
    # Settings
    (
        "{name:setting} is {value}: choose {choices:choices}.",
        "{name}は {choices}から選んでください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a whole number from {low} to {high}.",
        "{name}は {low} から {high} までの整数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a number above 0.",
        "{name}は 0 より大きい数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a number above 0, at most 1.",
        "{name}は 0 より大きく 1 以下の数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give 0 or a number above it.",
        "{name}は 0 以上の数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a number from -1 to 1.",
        "{name}は -1 から 1 までの数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a number from 0 to 1.",
        "{name}は 0 から 1 までの数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a number from 0 to 100.",
        "{name}は 0 から 100 までの数にしてください（今の値：{value}）。",
    ),
    (
        "{name:setting} is {value}: give a multiple of {multiple}, such as {near}.",
        "{name}は {near} のような {multiple} の倍数にしてください（今の値：{value}）。",
    ),
    (
        "steps is {steps}: the model has {most}, give fewer.",
        "ステップ数はベースモデルの {most} 以下にしてください（今の値：{steps}）。",
    ),
    (
        "strength {strength} leaves none of {steps} steps: give at least {least}.",
        "強さ {strength} では {steps} ステップのうち 1 つも実行されません。{least} 以上にしてください。",
    ),
    (
        "Likeness is told from two pictures of the concept or more: give the others too.",
        "類似度は、ことばの画像が 2 枚以上ないとわかりません。ほかの画像も指定してください。",
    ),
    (
        "The judge of the embedded model is not in assets/judge: fetch the program again, or compare by eye.",
        "内蔵モデルの判定モデルが assets/judge にありません。"
        "プログラムを取得し直すか、画像を見比べて判断してください。",
    ),
    (
        "The judge is not on this machine: fetch it once with “hf download {source}”, or do without scores.",
        "判定モデルがこのマシンにありません。「hf download {source}」で一度ダウンロードするか、"
        "判定なしで使ってください。",
    ),
    (
        "The judge in {source} cannot be read: fetch its files again, or do without scores.",
        "{source} の判定モデルを読み込めません。ファイルを取得し直すか、判定なしで使ってください。",
    ),
    (
        "count is {count}: ask for one word or more.",
        "近い単語の数は 1 以上にしてください（今の値：{count}）。",
    ),
    (
        "There is no training setting called {names}: remove it.",
        "{names} という学習の設定はありません。取り除いてください。",
    ),
    (
        "There is no scheduler called {scheduler}: choose {names}.",
        "{scheduler} というサンプラーはありません。{names} から選んでください。",
    ),
    (
        "The initial word is empty: give a word such as “cat”, or “auto”.",
        "初期語が空です。cat のような単語か、auto（自動）を入力してください。",
    ),
    (
        "The initial word {phrase} has nothing in it that the model can read.",
        "初期語 {phrase} には、ベースモデルが読める文字がありません。別の単語を入力してください。",
    ),
    (
        "The initial word {phrase} cannot stand in a prompt: write plain words, "
        "without brackets, weights and learned words.",
        "初期語 {phrase} はプロンプトに使えません。"
        "括弧、強調の重み、学習したことばを含まない普通の単語にしてください。",
    ),
    (
        "The model's safety checker hid a picture, which cannot be judged: load the model without it.",
        "モデルのセーフティチェッカーが画像を隠したため、判定できません。"
        "セーフティチェッカーなしでモデルを読み込んでください。",
    ),
    # Names
    (
        "The concept needs a name: write one such as our-cat.",
        "ことばに名前が必要です。our-cat のように入力してください。",
    ),
    (
        'The name "{name}" cannot become a token: use the letters a-z, digits and hyphens, '
        "for example our-cat.",
        "「{name}」という名前はトークンにできません。our-cat のように、英字 a-z、数字、ハイフンで"
        "入力してください。",
    ),
    (
        "The name is too long: a token holds at most {most} characters. Try {shorter}.",
        "名前が長すぎます。トークンは {most} 文字までです。{shorter} ではいかがですか。",
    ),
    (
        "{token} is not a concept token: write it as <our-cat>.",
        "{token} はことばのトークンではありません。<our-cat> のように書いてください。",
    ),
    # Prompts
    (
        "The caption of {name} cannot be used. {error:message}",
        "{name} のキャプションは使えません。{error}",
    ),
    (
        "No loaded concept defines {token}. Did you mean {closest:choices}?",
        "{token} ということばは読み込まれていません。{closest} のことですか？",
    ),
    (
        "No loaded concept defines {token}. Load the concept that defines it, or remove it from the prompt.",
        "{token} ということばは読み込まれていません。読み込むか、プロンプトから消してください。",
    ),
    (
        'The template "{template}" has no place for the concept: write {{}} there.',
        "テンプレート「{template}」にことばの入る場所がありません。そこに {{}} と書いてください。",
    ),
    (
        'The brackets around "{text}" give it a weight of {weight}: remove some, weights may reach {most}.',
        "「{text}」の重みが括弧で {weight} になっています。重みは {most} までです。括弧を減らしてください。",
    ),
    (
        '"{text}…" has {length} characters: shorten it to {most}.',
        "「{text}…」は {length} 文字あります。{most} 文字以内にしてください。",
    ),
    (
        '"{number}" is no weight: write a number such as 1.3.',
        "「{number}」は重みとして使えません。1.3 のような数を書いてください。",
    ),
    (
        "The weight {weight} cannot work: choose one from 0 to {most}.",
        "重み {weight} は使えません。0 から {most} までにしてください。",
    ),
    (
        "LoRA tags are not supported here. Remove {tag} from the prompt.",
        "LoRA のタグは使えません。プロンプトから {tag} を消してください。",
    ),
    (
        "The prompt holds characters that are not UTF-8: write them again.",
        "プロンプトに UTF-8 ではない文字があります。書き直してください。",
    ),
    (
        "A composition takes two or more concepts: choose another one.",
        "組み合わせるには、ことばが 2 つ以上必要です。もう 1 つ選んでください。",
    ),
    (
        "There are {weights} weights for {concepts} concepts: give one for each concept.",
        "{concepts} 個のことばに対して重みが {weights} 個あります。ことばごとに 1 つずつ指定してください。",
    ),
    (
        "The prompt does not mention {token}: add it where it should appear.",
        "プロンプトに {token} がありません。入れたい場所に書き加えてください。",
    ),
    # Remarks on a picture
    ("turned upright as its EXIF says", "EXIF の情報に従って正しい向きに回転しました"),
    ("it has several frames; only the first is used", "複数のコマがあるため、最初のコマだけを使います"),
    ("its transparent parts do not count in training", "透明な部分は学習の対象になりません"),
    ("its transparent parts were filled with white", "透明な部分を白で塗りました"),
    (
        "its colours were converted from {profile} to sRGB",
        "色を {profile} から sRGB に変換しました",
    ),
    (
        "its colour profile could not be used and was ignored",
        "カラープロファイルが使えないため、無視しました",
    ),
    (
        "its caption {file} is not readable as UTF-8 text and was ignored",
        "キャプション {file} を UTF-8 の文章として読めないため、無視しました",
    ),
    (
        "very elongated ({ratio} to 1); only its middle is used",
        "とても細長い（{ratio} 対 1）ため、中央だけを使います",
    ),
    (
        "smaller than the model's {size} px; it was enlarged",
        "ベースモデルの {size} px より小さいため、拡大しました",
    ),
    # Pictures
    (
        "No picture was given. Give three to five pictures, or a folder that holds them.",
        "画像がありません。3〜5 枚の画像か、それが入ったフォルダーを選んでください。",
    ),
    (
        "There is no picture to learn from: give three to five.",
        "学習に使う画像がありません。3〜5 枚選んでください。",
    ),
    (
        "The folder {folder} holds no pictures. Put three to five of them in it.",
        "フォルダー {folder} に画像がありません。3〜5 枚入れてください。",
    ),
    (
        "{path} does not exist. Check the path, or leave it out.",
        "{path} がありません。場所を確かめるか、除いてください。",
    ),
    (
        "{path} cannot be read ({reason}). Check the path and its permissions.",
        "{path} を読めません（{reason}）。場所とアクセス権を確かめてください。",
    ),
    (
        "{name} cannot be opened ({reason}). Check the path and its permissions.",
        "{name} を開けません（{reason}）。場所とアクセス権を確かめてください。",
    ),
    (
        "{name} is an empty file. Copy it again from where it came, or leave it out.",
        "{name} は空のファイルです。元の場所からもう一度コピーするか、除いてください。",
    ),
    (
        "{name} is a Git LFS pointer, not the picture. Fetch it with `git lfs pull`.",
        "{name} は画像ではなく Git LFS のポインターです。`git lfs pull` で取得してください。",
    ),
    (
        "{name} is a HEIC picture that cannot be read here. "
        "Install its reader with `pip install pillow-heif`, or save the picture as JPEG.",
        "{name} は HEIC 画像で、ここでは読めません。`pip install pillow-heif` を実行するか、"
        "JPEG で保存し直してください。",
    ),
    (
        "{name} is an SVG drawing, not a picture of pixels. Export it as PNG.",
        "{name} はピクセルの画像ではなく SVG の図です。PNG で書き出してください。",
    ),
    (
        "{name} is a text file, not a picture. Leave it out, or copy the picture again.",
        "{name} は画像ではなくテキストファイルです。除くか、画像をもう一度コピーしてください。",
    ),
    (
        "{name} is damaged, or not a picture in a format that can be read. "
        "Open it in a picture editor and save it again as JPEG or PNG, or leave it out.",
        "{name} は壊れているか、読めない形式です。画像編集ソフトで開いて JPEG か PNG で保存し直すか、"
        "除いてください。",
    ),
    (
        "{name} is damaged or incomplete ({reason}). "
        "Open it in a picture editor and save it again as JPEG or PNG, or leave it out.",
        "{name} は壊れているか、途中で切れています（{reason}）。画像編集ソフトで開いて JPEG か PNG で"
        "保存し直すか、除いてください。",
    ),
    (
        "{name} has more than {limit} million pixels. Make it smaller in a picture editor.",
        "{name} は {limit} メガピクセルを超えています。画像編集ソフトで小さくしてください。",
    ),
    (
        "{name} is fully transparent, so nothing can be seen in it. Leave it out.",
        "{name} は全体が透明で、何も見えません。除いてください。",
    ),
    (
        "{name} is fully transparent inside the crop. Choose another crop, or leave it out.",
        "{name} は切り抜いた範囲がすべて透明です。別の範囲を選ぶか、除いてください。",
    ),
    (
        "The crop {crop} keeps nothing of {name}. "
        "Give left, top, right, bottom as fractions from 0 to 1, left before right and top before bottom.",
        "切り抜き {crop} では {name} に何も残りません。左、上、右、下を 0 から 1 までの割合で、"
        "左は右より、上は下より小さく指定してください。",
    ),
    # Base models
    (
        "The folder {folder} holds no diffusers model: it has no model_index.json.",
        "フォルダー {folder} に diffusers のモデルがありません（model_index.json がありません）。",
    ),
    (
        "There is no model called {name}: choose {names}, a model folder, a checkpoint file, or "
        "owner/repository.",
        "{name} というベースモデルはありません。{names}、モデルのフォルダー、チェックポイントのファイル、"
        "owner/repository のどれかを選んでください。",
    ),
    (
        "{name} is an address: give the repository as owner/name, or download the file.",
        "{name} は URL です。リポジトリを owner/name の形で指定するか、ファイルをダウンロードしてください。",
    ),
    (
        "{name} is no checkpoint that can be loaded: choose a .safetensors or .ckpt file.",
        "{name} は読み込めるチェックポイントではありません。.safetensors か .ckp"
        "t のファイルを選んでください。",
    ),
    (
        "There is no file {name}: check the path.",
        "{name} というファイルはありません。場所を確かめてください。",
    ),
    (
        "{file} of {name} is damaged: fetch the model again.",
        "{name} の {file} が壊れています。モデルを取得し直してください。",
    ),
    (
        "{name} is a model for depth maps: choose a base model for text to picture, Stable Diffusion "
        "1, 2 or XL.",
        "{name} は深度マップ用のモデルです。Stable Diffusion 1、2、XL の、文"
        "から画像を作るベースモデルを選んでください。",
    ),
    (
        "{name} is an upscaling model: choose a base model for text to picture, Stable Diffusion 1, 2 or XL.",
        "{name} はアップスケール用のモデルです。Stable Diffusion 1、2、XL の、文から画"
        "像を作るベースモデルを選んでください。",
    ),
    (
        "{name} is a model that edits pictures by instructions: choose a base model for text to "
        "picture, Stable Diffusion 1, 2 or XL.",
        "{name} は指示で画像を編集するモデルです。Stable Diffusion 1、2、XL "
        "の txt2img 用ベースモデルを選んでください。",
    ),
    (
        "{name} is an inpainting model: choose a base model for text to picture, Stable Diffusion 1, "
        "2 or XL.",
        "{name} はインペイント（inpainting）用のモデルです。Stable Diffu"
        "sion 1、2、XL の txt2img 用ベースモデルを選んでください。",
    ),
    (
        "{name} is a model with another input: choose a base model for text to picture, Stable "
        "Diffusion 1, 2 or XL.",
        "{name} は入力の異なるモデルです。Stable Diffusion 1、2、XL の、文か"
        "ら画像を作るベースモデルを選んでください。",
    ),
    (
        "{name} is a model of another kind ({kind}): choose a base model for text to picture, "
        "Stable Diffusion 1, 2 or XL.",
        "{name} は別の種類のモデルです（{kind}）。Stable Diffusion 1、2、XL の、文から画像を作る"
        "ベースモデルを選んでください。",
    ),
    (
        "{name} is a refiner, which only finishes pictures: choose a base model for text to picture, "
        "Stable Diffusion 1, 2 or XL.",
        "{name} は画像の仕上げだけをする refiner です。Stable Diffusion "
        "1、2、XL の txt2img 用ベースモデルを選んでください。",
    ),
    (
        "{name} was trained with another kind of noise and cannot be used here: choose a base model "
        "for text to picture, Stable Diffusion 1, 2 or XL.",
        "{name} はノイズの種類が異なるため、ここでは使えません。Stable Diffusion "
        "1、2、XL の txt2img 用ベースモデルを選んでください。",
    ),
    (
        "{name} holds no whole Stable Diffusion model (perhaps a LoRA, an embedding, or another kind "
        "of model): choose a checkpoint of Stable Diffusion 1, 2 or XL.",
        "{name} に Stable Diffusion のモデル全体は入っていません（LoRA、エンベ"
        "ディング、別の種類のモデルかもしれません）。Stable Diffusion 1、2、XL のチェッ"
        "クポイントを選んでください。",
    ),
    (
        "{name} is a refiner: choose a checkpoint of Stable Diffusion 1, 2 or XL.",
        "{name} は refiner です。Stable Diffusion 1、2、XL のチェックポイントを選んでください。",
    ),
    (
        "{name} has no text encoder that is known: choose a checkpoint of Stable Diffusion 1, 2 or XL.",
        "{name} に既知のテキストエンコーダーがありません。Stable Diffusion 1、2"
        "、XL のチェックポイントを選んでください。",
    ),
    (
        "{file} holds more than weights, and loading it could run foreign code: choose the model as "
        ".safetensors, or as a diffusers folder.",
        "{file} には重み以外のものが入っていて、読み込むと他人のプログラムが動くおそれがあります。"
        ".safetensors か、diffusers のフォルダーを選んでください。",
    ),
    (
        "{file} cannot be read as a checkpoint: fetch it again.",
        "{file} をチェックポイントとして読めません。取得し直してください。",
    ),
    (
        "{file} holds no checkpoint of a model: choose another file.",
        "{file} にモデルのチェックポイントが入っていません。別のファイルを選んでください。",
    ),
    (
        "{file} needs the configuration of {repository}, which is downloaded once. {error:message}",
        "{file} には {repository} の設定が必要です（一度だけダウンロードします）。{error}",
    ),
    (
        "The download was stopped; it goes on from there when the model is loaded again.",
        "ダウンロードを中断しました。もう一度読み込むと、続きから始まります。",
    ),
    (
        "{repository} has no variant {variant}: leave it out, or choose another ({known}).",
        "{repository} に {variant} というバリアント（variant）はありません。外すか、"
        "別のもの（{known}）を選んでください。",
    ),
    (
        "{name} of {repository} was damaged on its way: load the model again.",
        "{repository} の {name} が転送中に壊れました。もう一度読み込んでください。",
    ),
    (
        "{source} has a damaged model_index.json: choose another model.",
        "{source} の model_index.json が壊れています。別のベースモデルを選んでください。",
    ),
    (
        "{repository} holds no diffusers model, but checkpoint files: download {file} from "
        "https://huggingface.co/{address} and choose that file.",
        "{repository} は diffusers のモデルではなく、チェックポイントのファイルで"
        "す。https://huggingface.co/{address} から {file} をダウ"
        "ンロードして、そのファイルを選んでください。",
    ),
    (
        "{repository} holds no diffusers model: it has no model_index.json. Choose another repository.",
        "{repository} に diffusers のモデルがありません（model_index."
        "json がありません）。別のリポジトリを選んでください。",
    ),
    (
        "{repository} is not on this computer, and the Hugging Face Hub cannot be reached ({reason}):"
        " connect to the internet and try again, or choose a model folder.",
        "{repository} はこのコンピューターになく、Hugging Face Hub にもつな"
        "がりません（{reason}）。インターネットに接続してもう一度試すか、モデルのフォルダーを選ん"
        "でください。",
    ),
    (
        "{repository} is not completely downloaded, and the Hugging Face Hub cannot be reached ({reason}):"
        " connect to the internet and load it again.",
        "{repository} のダウンロードが終わっておらず、Hugging Face Hub にもつながりません（{reason}）。"
        "インターネットに接続して、もう一度読み込んでください。",
    ),
    (
        "{repository} is given only to those who accepted its licence: log in with `hf auth login`, "
        "accept the licence at https://huggingface.co/{address} and try again.",
        "{repository} はライセンスに同意した人だけが使えます。`hf auth login`"
        " でログインし、https://huggingface.co/{address} で同意してから"
        "、もう一度お試しください。",
    ),
    (
        "{repository} has no revision {revision}: leave it out, or choose one that is listed at "
        "https://huggingface.co/{address}.",
        "{repository} に {revision} というリビジョンはありません。外す"
        "か、https://huggingface.co/{address} にあるものを選んでください"
        "。",
    ),
    (
        "There is no model {repository} on the Hugging Face Hub, or it is private: check the name, or"
        " log in with `hf auth login`.",
        "{repository} というモデルは Hugging Face Hub にないか、非公開です"
        "。名前を確かめるか、`hf auth login` でログインしてください。",
    ),
    (
        "A file of {repository} is missing on the Hugging Face Hub: choose another model.",
        "{repository} のファイルが Hugging Face Hub にありません。別のベースモデルを選んでください。",
    ),
    (
        "The Hugging Face Hub does not give you {repository}: log in with `hf auth login`, and look "
        "at https://huggingface.co/{address}.",
        "{repository} を Hugging Face Hub から受け取れません。`hf au"
        "th login` でログインし、https://huggingface.co/{address}"
        " を確かめてください。",
    ),
    (
        "The Hugging Face Hub cannot give {repository} now (status {status}): try again later; what "
        "was downloaded is kept.",
        "Hugging Face Hub から今は {repository} を受け取れません（状態 {status}"
        "）。後でもう一度お試しください。ダウンロード済みの分は残っています。",
    ),
    (
        "{repository} cannot be the name of a model: give owner/name.",
        "{repository} はモデルの名前として使えません。owner/name の形で指定してください。",
    ),
    (
        "The download of {repository} did not finish ({reason}): see that there is room on the disk, "
        "and try again; what was downloaded is kept.",
        "{repository} のダウンロードが終わりませんでした（{reason}）。ディスクの空き"
        "を確かめて、もう一度お試しください。ダウンロード済みの分は残っています。",
    ),
    (
        "The connection to the Hugging Face Hub broke off ({reason}): try again; what was downloaded "
        "of {repository} is kept.",
        "Hugging Face Hub との接続が切れました（{reason}）。もう一度お試しくださ"
        "い。{repository} のダウンロード済みの分は残っています。",
    ),
    (
        "The memory of the device was full: the autoencoder now rests beside it, and training keeps "
        "less and computes more.",
        "デバイスのメモリが足りなくなったため、オートエンコーダー（VAE）は使うときだけデバイスに載せ、学習ではメ"
        "モリを節約する計算に切り替えました。",
    ),
    (
        "The memory of the device was full: every part of the model now rests beside it, and pictures"
        " are computed one at a time.",
        "デバイスのメモリが足りなくなったため、モデルの各部分は使うときだけデバイスに載せ、画像を 1 枚"
        "ずつ計算するようにしました。",
    ),
    (
        "The model {model} could not be loaded from {source}. Fetch its files again, or choose another "
        "model. The reason: {error}",
        "ベースモデル {model} を {source} から読み込めませんでした。ファイルを取得し直すか、"
        "別のベースモデルを選んでください。理由：{error}",
    ),
    (
        "The memory of the device is full: choose a smaller model, or close the programs that use it.",
        "デバイスのメモリが足りません。小さいベースモデルを選ぶか、メモリを使っているプログラムを終了して"
        "ください。",
    ),
    (
        "{name} has no tokenizer that fits its text encoder, and would draw nonsense: fetch its files "
        "again, or choose another model.",
        "{name} には、テキストエンコーダーに合うトークナイザーがなく、正しい画像を生成できません。"
        "ファイルを取得し直すか、別のベースモデルを選んでください。",
    ),
    (
        "The memory of the device is full: draw smaller pictures, or choose a smaller model.",
        "デバイスのメモリが足りません。画像を小さくするか、小さいベースモデルを選んでください。",
    ),
    # Concepts
    (
        "{token} is of the unknown kind {kind}: object or style.",
        "{token} の種類 {kind} は使えません。object（もの）か style（スタイル）のどちらかです。",
    ),
    (
        "{token} belongs to the unknown family {family} of models.",
        "{token} のベースモデルの系列 {family} は、このプログラムでは使えません。",
    ),
    (
        "{token} has vectors for {encoders}, but {model} needs {needed}.",
        "{token} のベクトルは {encoders} 用ですが、{model} には {needed} 用が必要です。",
    ),
    (
        "{token} has vectors of shape {shape} for {encoder}; it takes 1 to {most} rows of {width}.",
        "{token} の {encoder} 用のベクトルの形が {shape} です。必要なのは {width} 次元の 1〜{most} 行です。",
    ),
    (
        "{token} has vectors that are not finite: it cannot be used.",
        "{token} のベクトルに有限でない数があるため、使えません。",
    ),
    (
        "{token} has another number of vectors for each text encoder.",
        "{token} のベクトルの数が、テキストエンコーダーごとに違っています。",
    ),
    (
        "{token} was learned on another version of {model}: choose that model, or learn the word again.",
        "{token} は {model} の別のバージョンで学習したことばです。そのベースモデルを選ぶか、"
        "学習し直してください。",
    ),
    (
        "{token} was learned on {model} ({family}), not for {other} ({other_family}): "
        "choose that model, or learn the word again.",
        "{token} は {model}（{family}）で学習したことばで、{other}（{other_family}）では使えません。"
        "そのベースモデルを選ぶか、学習し直してください。",
    ),
    (
        "{first} was learned on {model} and {second} on {other}: choose concepts of the same model.",
        "{first} は {model}、{second} は {other} で学習したことばです。同じベースモデルのことばを"
        "選んでください。",
    ),
    (
        "{first} was learned on {model} and {second} on another version of {other}: "
        "choose concepts of the same model.",
        "{first} は {model}、{second} は {other} の別のバージョンで学習したことばです。同じベースモデルの"
        "ことばを選んでください。",
    ),
    (
        "Two concepts are called {token}: rename one of them.",
        "{token} ということばが 2 つあります。片方の名前を変えてください。",
    ),
    (
        "{a} was learned on {model} and {b} on {other}: choose two of one model.",
        "{a} は {model}、{b} は {other} で学習したことばです。同じベースモデルの 2 つを選んでください。",
    ),
    (
        "{a} has {vectors} vectors and {b} has {others}: choose two with the same number.",
        "ベクトルの数が {a} は {vectors}、{b} は {others} です。数が同じ 2 つを選んでください。",
    ),
    (
        "{token} does not say which word it started from: learn it here to know.",
        "{token} には初期語の記録がありません。初期語が必要なときは、ここで学習し直してください。",
    ),
    # Concept folders
    (
        "{token} could not be written to {folder}: {error}",
        "{token} を {folder} に保存できませんでした：{error}",
    ),
    (
        "There is no concept folder {folder}: check the path.",
        "ことばのフォルダー {folder} がありません。場所を確かめてください。",
    ),
    (
        "{folder} is not a concept folder: it has no concept.json.",
        "{folder} はことばのフォルダーではありません（concept.json がありません）。",
    ),
    (
        "{folder} was written by a newer version of this program: update it first.",
        "{folder} は新しいバージョンのプログラムで保存されています。先にこのプログラムを更新してください。",
    ),
    (
        "The vectors in {folder} are not those that its concept.json describes.",
        "{folder} のベクトルは、concept.json の記録と一致しません。",
    ),
    (
        "{file} has no {key}: the file is damaged.",
        "{file} に {key} がありません。ファイルが壊れています。",
    ),
    (
        "The concept in {folder} is damaged and cannot be read: {error:message}",
        "{folder} のことばは壊れていて読み込めません：{error}",
    ),
    (
        "{folder} has no {file}: the concept is incomplete.",
        "{folder} に {file} がありません。ことばのファイルがそろっていません。",
    ),
    (
        "{file} is larger than {limit} MiB: it is no embedding.",
        "{file} は {limit} MiB を超えているため、ことばのファイルではありません。",
    ),
    (
        "{file} does not hold {token}: the files do not belong together.",
        "{file} に {token} がありません。別のことばのファイルが混ざっています。",
    ),
    (
        "{file} is not a readable safetensors file ({error}).",
        "{file} は safetensors ファイルとして読めません（{error}）。",
    ),
    (
        "{file} holds {dtype} numbers: an embedding has floating-point ones.",
        "{file} の数値は {dtype} です。ことばのベクトルは浮動小数点数でなければなりません。",
    ),
    # The library and its archives
    (
        "No deleted concept {token} is kept: import it, or learn the word again.",
        "削除した {token} はもう残っていません。取り込むか、学習し直してください。",
    ),
    (
        "There is no concept {token} in the library. Did you mean {closest:choices}?",
        "{token} ということばはライブラリにありません。{closest} のことですか？",
    ),
    (
        "There is no concept {token} in the library. Choose one that is listed there.",
        "{token} ということばはライブラリにありません。一覧から選んでください。",
    ),
    (
        "{name} holds {token} more than once: give its words other names, or take its files one by one.",
        "{name} に {token} が 2 つ以上入っています。ことばに別の名前を付けるか、ファイルを 1 つずつ読み込んで"
        "ください。",
    ),
    (
        "{name} holds {count} embedding files: choose a folder of at most {limit}.",
        "{name} には埋め込みファイルが {count} 個あります。{limit} 個以下のフォルダーを選んでください。",
    ),
    (
        "There is a concept {token} in the library already: choose another name, or rename or delete that "
        "one first.",
        "{token} ということばはすでにライブラリにあります。別の名前にするか、ライブラリにあるほうの名前を先に"
        "変えるか、削除してください。",
    ),
    (
        "The library in {folder} is in use elsewhere: try again.",
        "ライブラリ {folder} は別のところで使用中です。もう一度お試しください。",
    ),
    (
        "The library in {folder} cannot be used: {error}",
        "ライブラリ {folder} を使えません：{error}",
    ),
    (
        "{name} holds no usable concept. {reason:message}",
        "{name} に使えることばがありません。{reason}",
    ),
    (
        "It is {token}, so the folder must be called as it is.",
        "入っているのは {token} です。フォルダーもその名前にしてください。",
    ),
    ("It cannot be read: {error}", "読み込めません：{error}"),
    ("The facts about {token} are damaged: {error}", "{token} の情報が壊れています：{error}"),
    (
        "{name} is damaged: export the concept again.",
        "{name} は壊れています。ことばをもう一度書き出してください。",
    ),
    (
        "{name} cannot be unpacked: {error}",
        "{name} を展開できません：{error}",
    ),
    (
        "{name} is not a .zip archive: choose one that was exported as such.",
        "{name} は .zip ファイルではありません。書き出した .zip を選んでください。",
    ),
    (
        "{name} holds too many files to be one concept: choose another.",
        "{name} は 1 つのことばにしてはファイルが多すぎます。別のものを選んでください。",
    ),
    (
        "{name} holds two files of one name: export the concept again.",
        "{name} に同じ名前のファイルが 2 つあります。ことばをもう一度書き出してください。",
    ),
    (
        "{name} holds no concept: it has no concept.json, or more than one folder.",
        "{name} にことばがありません（concept.json がないか、フォルダーが複数あります）。",
    ),
    (
        "{name} holds {file}, which would be unpacked somewhere else: do not use it.",
        "{name} の {file} は別の場所に展開されてしまいます。{name} は使わないでください。",
    ),
    (
        "{name} holds {file}, which is a link or no plain file: export it again.",
        "{name} の {file} はリンクか特殊なファイルです。もう一度書き出してください。",
    ),
    (
        "{name} is locked with a password: export it again without one.",
        "{name} にはパスワードがかかっています。パスワードなしで書き出し直してください。",
    ),
    (
        "{name} is packed in an unusual way: make an ordinary .zip of the folder.",
        "{name} は特殊な方法で圧縮されています。フォルダーを普通の .zip にしてください。",
    ),
    (
        "{name} has {files} files: a concept has at most {most}.",
        "{name} にはファイルが {files} 個あります。1 つのことばには {most} 個までです。",
    ),
    (
        "{name} holds {file}, which is no part of a concept.",
        "{name} の {file} は、ことばのファイルではありません。",
    ),
    (
        "{file} in {name} is larger than {limit} MiB: make it smaller.",
        "{name} の {file} は {limit} MiB を超えています。小さくしてください。",
    ),
    (
        "{name} is larger than {limit} MiB: use fewer pictures.",
        "{name} は {limit} MiB を超えています。画像を減らしてください。",
    ),
    (
        "{file} is no readable PNG picture: leave it out.",
        "{file} は PNG 画像として読めません。除いてください。",
    ),
    (
        "{file} has {width} × {height} pixels, which is too large: leave it out.",
        "{file} は {width} × {height} ピクセルで、大きすぎます。除いてください。",
    ),
    # The Hub
    (
        "“{name}” cannot be a repository: write it as owner/name, with letters, digits, hyphens and dots.",
        "「{name}」はリポジトリの名前にできません。英数字、ハイフン、ピリオドで owner/name のように"
        "入力してください。",
    ),
    (
        "Nobody is logged in to Hugging Face: run `hf auth login` in a terminal first.",
        "Hugging Face にログインしていません。先にターミナルで `hf auth login` を実行してください。",
    ),
    (
        "The login cannot be read: run `hf auth login` in a terminal again.",
        "ログインの情報を読めません。ターミナルでもう一度 `hf auth login` を実行してください。",
    ),
    (
        "The Hub does not accept the login, it may have expired: log in again.",
        "Hub がログインを受け付けません。期限が切れた可能性があります。ログインし直してください。",
    ),
    (
        "The login may only read: make a token that may write at {address}, and log in with it.",
        "このログインでは読むことしかできません。{address} で書き込み用のトークンを作り、"
        "それでログインしてください。",
    ),
    (
        "{name} may not publish under {owner}: choose {own}.",
        "{name} は {owner} の名前では公開できません。{own} にしてください。",
    ),
    (
        "The token may not write to {name}: allow it to write to the repositories of {owner} at {address}.",
        "このトークンでは {name} に書き込めません。{address} で {owner} のリポジトリへの書き込みを"
        "許可してください。",
    ),
    (
        "The Hub does not let this login do that with {name}: use another token.",
        "このログインでは {name} に対する操作が許可されていません。別のトークンを使ってください。",
    ),
    (
        "{name} asks for its conditions to be accepted: do so at {address}, then log in.",
        "{name} を使うには条件への同意が必要です。{address} で同意してから、ログインしてください。",
    ),
    (
        "There is no repository {name} to propose this to: check the name.",
        "提案先のリポジトリ {name} がありません。名前を確かめてください。",
    ),
    (
        "There is no repository {name} on the Hub that you may see: check the name, or log in.",
        "リポジトリ {name} は Hub にないか、非公開です。名前を確かめるか、ログインしてください。",
    ),
    (
        "There is no such revision of {name}: check it, or leave it out.",
        "{name} にそのリビジョンはありません。確かめるか、指定を外してください。",
    ),
    (
        "{name} holds no word of textual inversion: try another.",
        "{name} にことばがありません。別のリポジトリを選んでください。",
    ),
    (
        "{name} holds several words: download the file of one there, and import it.",
        "{name} にはことばがいくつもあります。そこから 1 つのファイルをダウンロードして取り込んでください。",
    ),
    (
        "{name} is public already: choose another name for a private repository.",
        "{name} はすでに公開されています。非公開にするには、別の名前にしてください。",
    ),
    (
        "{name} holds something else already ({file}), which stays as it is: choose another name.",
        "{name} にはすでに別のもの（{file}）があるため、変更しません。別の名前にしてください。",
    ),
    (
        "{name} holds another word already, {token}, which stays as it is: choose another name.",
        "{name} にはすでに別のことば {token} があるため、変更しません。別の名前にしてください。",
    ),
    (
        "{file} in {name} was not published from here, or was changed there since, and stays as it is: "
        "rename or delete it there, or choose another name.",
        "{name} の {file} は、ここから公開したものではないか、その後変更されたため、そのまま残します。"
        "Hub で名前を変えるか削除するか、別の名前にしてください。",
    ),
    (
        "{name} was changed by someone meanwhile: look at it, then try again.",
        "{name} はその間に誰かが変更しました。内容を見てから、もう一度お試しください。",
    ),
    (
        "The Hub was asked too often: wait {seconds} seconds, then try again.",
        "Hub へのアクセスが多すぎます。{seconds} 秒待ってから、もう一度お試しください。",
    ),
    (
        "The Hub was asked too often: wait a few minutes, then try again.",
        "Hub へのアクセスが多すぎます。数分待ってから、もう一度お試しください。",
    ),
    (
        "The Hub did not answer: check the connection, then try again.",
        "Hub から応答がありません。接続を確かめて、もう一度お試しください。",
    ),
    (
        "The Hub has a problem of its own ({status}): try again later.",
        "Hub 側で問題が起きています（{status}）。しばらくしてから、もう一度お試しください。",
    ),
    (
        "The Hub refused what it was asked about {name} ({status}): check the name.",
        "{name} への操作を Hub が受け付けませんでした（{status}）。名前を確かめてください。",
    ),
    (
        "The Hub is not asked, for HF_HUB_OFFLINE is set: unset it to go online.",
        "HF_HUB_OFFLINE が設定されているため、Hub に接続しません。接続するには設定を外してください。",
    ),
    (
        "The Hub made {name} but does not show it yet: try again in a moment.",
        "Hub に {name} を作りましたが、まだ表示されません。少し待って、もう一度お試しください。",
    ),
    (
        "The Hub did not answer, so whether the pull request was opened is not known: look at {address} "
        "before you try again.",
        "Hub から応答がなく、プルリクエストが作られたかどうかわかりません。もう一度試す前に {address} を"
        "確かめてください。",
    ),
    (
        "The Hub did not answer, so whether {name} was published is not known: look at {address}; "
        "publishing again does no harm.",
        "Hub から応答がなく、{name} が公開されたかどうかわかりません。{address} を確かめてください。"
        "もう一度公開しても問題はありません。",
    ),
    (
        "{file} in {name} is too large for a word: do not use it.",
        "{name} の {file} は、ことばにしては大きすぎます。使わないでください。",
    ),
    (
        "{file} in {name} is larger than it says: do not use it.",
        "{name} の {file} は、表示より大きなファイルです。使わないでください。",
    ),
    # Embedding files
    (
        "{name} holds no usable embedding. {reason:message}",
        "{name} に使える埋め込みがありません。{reason}",
    ),
    (
        "{name} cannot be read: {error}",
        "{name} を読めません：{error}",
    ),
    (
        "{folder}/concept.json is larger than 1 MiB: it is no concept's.",
        "{folder}/concept.json が 1 MiB を超えています。ことばのファイルではありません。",
    ),
    (
        "{name} holds no embedding file: choose another folder.",
        "{name} に埋め込みのファイルがありません。別のフォルダーを選んでください。",
    ),
    (
        "{first} and {second} hold different words: put each into a folder of its own.",
        "{first} と {second} は別々のことばです。それぞれ別のフォルダーに入れてください。",
    ),
    (
        "It is empty: download or export it again.",
        "空のファイルです。もう一度ダウンロードするか、書き出してください。",
    ),
    (
        "It is damaged: download or export it again.",
        "ファイルが壊れています。もう一度ダウンロードするか、書き出してください。",
    ),
    (
        "It is larger than {limit} MiB, and no embedding is.",
        "{limit} MiB を超えています。埋め込みにそのような大きさのものはありません。",
    ),
    (
        "It is a Git LFS pointer in place of the file: download the file itself from its page.",
        "中身が Git LFS のポインターになっています。配布ページからファイル本体をダウンロードしてください。",
    ),
    (
        "It is a web page in place of the file: download the file itself from its page.",
        "中身がウェブページになっています。配布ページからファイル本体をダウンロードしてください。",
    ),
    (
        "It is no embedding file: choose one of .safetensors, .pt, .bin or .png.",
        "埋め込みのファイルではありません。.safetensors、.pt、.bin、.png のどれかを選んでください。",
    ),
    (
        "It holds too many parts to be an embedding: choose another file.",
        "埋め込みにしては中の要素が多すぎます。別のファイルを選んでください。",
    ),
    (
        "It is an archive, but neither one of torch nor a word that was exported here.",
        "アーカイブですが、torch のものでも、ここで書き出したことばでもありません。",
    ),
    (
        "It is packed, as torch never does: do not use it.",
        "torch では行われない圧縮がされています。このファイルは使わないでください。",
    ),
    (
        "It is a pickle, but not one of torch: choose another file.",
        "pickle ですが、torch のものではありません。別のファイルを選んでください。",
    ),
    (
        "It holds the instruction {name}, which no embedding needs: do not use it.",
        "埋め込みに必要のない命令 {name} が入っています。このファイルは使わないでください。",
    ),
    (
        "It asks to run {name}, which no embedding needs: do not use it.",
        "埋め込みに必要のない {name} を実行しようとします。このファイルは使わないでください。",
    ),
    (
        "It holds a tensor that is larger than its own numbers: do not use it.",
        "テンソルの大きさが実際の数値の個数を超えています。このファイルは使わないでください。",
    ),
    (
        "It holds a tensor whose numbers are spread or repeated: do not use it.",
        "数値が飛び飛びか、くり返しになっているテンソルがあります。このファイルは使わないでください。",
    ),
    (
        "It is a picture of more than {limit} MiB: save it smaller.",
        "画像が {limit} MiB を超えています。小さくして保存してください。",
    ),
    (
        "It is a picture of {width} × {height} pixels, too large for a word.",
        "{width} × {height} ピクセルの画像です。ことばの画像としては大きすぎます。",
    ),
    (
        "It is a damaged picture: save it again as it was first published.",
        "画像が壊れています。配布元から、加工されていない元のファイルをもう一度保存してください。",
    ),
    (
        "It is a picture without a word in it: choose the file as A1111 saved it.",
        "ことばの入っていない画像です。A1111 が保存したままのファイルを選んでください。",
    ),
    (
        "The data in the picture is too long for a word: choose another file.",
        "画像の中のデータが、ことばにしては長すぎます。別のファイルを選んでください。",
    ),
    (
        "The data in the picture is damaged: save it again as it was first published.",
        "画像の中のデータが壊れています。配布元から、加工されていない元のファイルをもう一度保存してください。",
    ),
    (
        "It holds {dtype} numbers; an embedding has floating-point ones.",
        "数値の型が {dtype} です。埋め込みは浮動小数点数でなければなりません。",
    ),
    (
        "It holds a tensor of {dimensions} dimensions; an embedding is a list of vectors.",
        "{dimensions} 次元のテンソルです。埋め込みはベクトルの並びでなければなりません。",
    ),
    (
        "Its vectors are for the text encoder T5 (of Stable Diffusion 3 and Flux): no model here has "
        "one, so choose another file.",
        "テキストエンコーダー T5（Stable Diffusion 3 と Flux）のベクトルです。ここのベースモデルには "
        "T5 がないため、別のファイルを選んでください。",
    ),
    (
        "Its vectors have {width} numbers each, as those of no text encoder have: it is no embedding.",
        "次元数 {width} のベクトルに合うテキストエンコーダーはありません。埋め込みではありません。",
    ),
    (
        "It holds {count} vectors; a word has 1 to {most}.",
        "ベクトルが {count} 個あります。1 つのことばには 1〜{most} 個です。",
    ),
    (
        "It holds numbers that are not finite: the training that wrote it had failed.",
        "有限でない数値が入っています。学習に失敗したファイルです。",
    ),
    (
        "Its vectors are {low} to {high} long, unlike those of other words: it may draw noise.",
        "ベクトルの長さが {low}〜{high} で、ほかのことばと大きく違います。ノイズになるかもしれません。",
    ),
    (
        "It holds only OneTrainer's output vectors (_out), which live behind the text encoder: no "
        "other program can use them, so train it again without them.",
        "OneTrainer の出力ベクトル（_out）しか入っていません。テキストエンコーダーの後で使うもので、"
        "ほかのプログラムでは使えないため、これを使わずに学習し直してください。",
    ),
    (
        "OneTrainer's output vectors (_out) were left out.",
        "OneTrainer の出力ベクトル（_out）は除きました。",
    ),
    (
        "The file holds {count} words: {words}.",
        "ファイルにことばが {count} 個あります：{words}",
    ),
    (
        "It is an extended textual inversion (XTI) of kohya, a word for each layer of the model: it "
        "works in no prompt, so train it again as an ordinary one.",
        "kohya の XTI（層ごとに別のことばを持つもの）です。プロンプトでは使えないため、普通の "
        "Textual Inversion として学習し直してください。",
    ),
    (
        "It is a whole model, not a word: choose the word's own file.",
        "ことばではなく、ベースモデル全体です。ことばのファイルを選んでください。",
    ),
    (
        "It is a LoRA without any words in it, and only words can be used here.",
        "ことばの入っていない LoRA です。ここで使えるのはことばだけです。",
    ),
    (
        "It is a whole text encoder, of which an embedding is one word: choose the word's own file.",
        "テキストエンコーダー全体です。ことば 1 つだけのファイルを選んでください。",
    ),
    (
        "It holds no vectors: choose another file.",
        "ベクトルが入っていません。別のファイルを選んでください。",
    ),
    (
        "It holds {key}, as no embedding format does: choose another file.",
        "埋め込みの形式にない {key} が入っています。別のファイルを選んでください。",
    ),
    (
        "What it says of its base model is damaged: download or export it again.",
        "ベースモデルの情報が壊れています。もう一度ダウンロードするか、書き出してください。",
    ),
    (
        "What it says of its training is damaged: download or export it again.",
        "学習の情報が壊れています。もう一度ダウンロードするか、書き出してください。",
    ),
    (
        "What it says of itself is damaged: download or export it again.",
        "ことばの情報が壊れています。もう一度ダウンロードするか、書き出してください。",
    ),
    (
        "There is no base model called {name}: choose {names}.",
        "{name} というベースモデルはありません。{names} から選んでください。",
    ),
    (
        "Its vectors of 1280 numbers are the second half of a word for Stable Diffusion XL, without the "
        "first, or a word for the paper's own model, which is none of those here: "
        "put both halves into one folder or .zip, and give that.",
        "1280 次元のベクトルだけが入っています。Stable Diffusion XL のことばの 2 つ目のファイルか、"
        "論文のモデルのことば（ここでは使えません）です。"
        "XL なら 2 つのファイルを 1 つのフォルダーか .zip に入れて、それを選んでください。",
    ),
    (
        "No known model takes vectors of {widths:runs} numbers: say which base model they are for.",
        "次元数 {widths} のベクトルに合うベースモデルが見つかりません。どのベースモデルのものか指定して"
        "ください。",
    ),
    (
        "{token} has vectors of {widths} numbers, but {model} ({family}) takes {wanted}: choose a "
        "model of {fitting}.",
        "{token} のベクトルの次元数は {widths} ですが、{model}（{family}）は {wanted} です。{fitting} "
        "のベースモデルを選んでください。",
    ),
    (
        "{token} has vectors of {widths} numbers, but {model} ({family}) takes {wanted}: choose the "
        "model that it was learned on.",
        "{token} のベクトルの次元数は {widths} ですが、{model}（{family}）は {wanted} です。学習に使っ"
        "たベースモデルを選んでください。",
    ),
    (
        "{token} has vectors for {encoders} text encoders, which {layout} cannot hold: choose {layouts}.",
        "{token} はテキストエンコーダー {encoders} 個分のベクトルを持ち、{layout} には入りません。{la"
        "youts} から選んでください。",
    ),
    (
        "{token} has vectors for one text encoder, which {layout} cannot hold: choose {layouts}.",
        "{token} はテキストエンコーダー 1 個分のベクトルしか持たず、{layout} には入りません。{layouts"
        "} から選んでください。",
    ),
    # Training
    (
        "The loss of {runs:runs} is no longer a number: start again with a lower learning rate.",
        "{runs} の損失が数値でなくなりました。学習率を下げて、もう一度始めてください。",
    ),
    (
        "The gradient of {runs:runs} is no longer a number: start again with a lower learning rate.",
        "{runs} の勾配が数値でなくなりました。学習率を下げて、もう一度始めてください。",
    ),
    (
        "{error:message} See {folder:runs}; every run is kept as it was last saved.",
        "{error}学習の保存先は {folder} です。どの学習も、最後に保存した状態で残っています。",
    ),
    (
        "This run was started differently: {differences:differences}. "
        "Resume it with the same pictures and settings, or start a new run in another folder.",
        "この学習は別の条件で始められています（{differences}）。同じ画像と設定で再開するか、"
        "別のフォルダーで新しく始めてください。",
    ),
    # Runs on disk
    (
        "The run in {folder} has no result yet: resume it first.",
        "{folder} の学習にはまだ結果がありません。先に再開してください。",
    ),
    (
        "The run in {folder} has not learned anything yet: resume it first.",
        "{folder} の学習は、まだ 1 ステップも進んでいません。先に再開してください。",
    ),
    (
        "{folder} holds a run already: resume it, or choose another folder.",
        "{folder} にはすでに学習の記録があります。再開するか、別のフォルダーを選んでください。",
    ),
    (
        "{folder} holds something else already: choose another folder.",
        "{folder} にはすでに別のものがあります。別のフォルダーを選んでください。",
    ),
    (
        "The run could not be written to {folder}: {error}",
        "学習の記録を {folder} に保存できませんでした：{error}",
    ),
    (
        "The run in {folder} cannot be read ({error:message}): start a new one.",
        "{folder} の学習を読み込めません。新しく始めてください。理由：{error}",
    ),
    (
        "The run in {folder} was written by another version: start a new one.",
        "{folder} の学習は別のバージョンのプログラムで保存されています。新しく始めてください。",
    ),
    (
        "{folder} holds no training run: check the path.",
        "{folder} に学習の記録がありません。場所を確かめてください。",
    ),
    (
        "The run in {folder} is in training elsewhere: wait for it.",
        "{folder} は別のところで学習中です。終わるまでお待ちください。",
    ),
    (
        "The run in {folder} cannot be written to: {error}",
        "{folder} の学習に書き込めません：{error}",
    ),
    (
        "Step {step} could not be written to {folder}: {error}",
        "ステップ {step} を {folder} に保存できませんでした：{error}",
    ),
    (
        "{file} is damaged ({error}): remove it; the run can go on without it.",
        "{file} は壊れています（{error}）。削除してください。なくても学習は続けられます。",
    ),
    (
        "The metrics of the run in {folder} cannot be written: {error}",
        "{folder} の学習の記録に書き込めません：{error}",
    ),
    (
        "The state could not be saved in {folder}: {error}",
        "学習の状態を {folder} に保存できませんでした：{error}",
    ),
    (
        "The state in {folder} is not this run's ({error:message}): start a new one.",
        "{folder} の状態はこの学習のものではありません。新しく始めてください。理由：{error}",
    ),
    (
        "The vectors of step {step} could not be written to {folder}: {error}",
        "ステップ {step} のベクトルを {folder} に保存できませんでした：{error}",
    ),
    (
        "Step {step} of the run in {folder} is not saved: resume it first.",
        "{folder} の学習のステップ {step} は保存されていません。先に再開してください。",
    ),
    (
        "Step {step} of the run in {folder} is not saved: choose {closest}, the closest that is.",
        "{folder} の学習のステップ {step} は保存されていません。いちばん近い {closest} を選んでください。",
    ),
    (
        "Step {step} of the run in {folder} cannot be read ({error}): choose another.",
        "{folder} の学習のステップ {step} を読み込めません（{error}）。別のステップを選んでください。",
    ),
    ("{key} is of shape {shape}, not {wanted}", "{key} の形は {wanted} のはずが {shape} です"),
    (
        "Picture {number} of the run in {folder} has been changed: start a new run.",
        "{folder} の学習の画像 {number} が変更されています。新しく始めてください。",
    ),
    (
        "Picture {number} of the run in {folder} cannot be read: {error}",
        "{folder} の学習の画像 {number} を読めません：{error}",
    ),
    # Drawing
    ("Drawing was stopped.", "生成を中止しました。"),
    (
        "A picture to start from and its strength belong together: give both or neither.",
        "元にする画像と強さは組で使います。両方を指定するか、どちらも外してください。",
    ),
    (
        "The picture cannot be computed in {dtype}, its numbers overflow: "
        "load the model in float32, or lower the guidance scale.",
        "{dtype} では数値があふれて画像を計算できません。ベースモデルを float32 で読み込むか、"
        "ガイダンススケールを下げてください。",
    ),
    # Recipes
    (
        "The recipe is not valid JSON; it may have been cut off or edited.",
        "レシピが正しい JSON ではありません。途中で切れたか、書き換えられた可能性があります。",
    ),
    (
        "The recipe does not say its version; it may have been edited.",
        "レシピにバージョンがありません。書き換えられた可能性があります。",
    ),
    (
        "The recipe was written by a newer version of this program; update to read it.",
        "レシピは新しいバージョンのプログラムで保存されています。読み込むには、このプログラムを更新してください。",
    ),
    (
        "The recipe has no prompt; it may have been edited.",
        "レシピにプロンプトがありません。書き換えられた可能性があります。",
    ),
    (
        'The recipe\'s value for "{name:setting}" cannot be used; it may have been edited.',
        "レシピの「{name}」の値が使えません。書き換えられた可能性があります。",
    ),
    (
        'The text has no line of settings such as "Steps: 25, Sampler: DDIM, Seed: 1".',
        "「Steps: 25, Sampler: DDIM, Seed: 1」のような設定の行がありません。",
    ),
    (
        'The setting "{setting}" is no number; it may have been edited.',
        "設定「{setting}」が数ではありません。書き換えられた可能性があります。",
    ),
    (
        "{name}: {error:message} Choose the file as it was first saved.",
        "{name}：{error}最初に保存したままのファイルを選んでください。",
    ),
    (
        "{name} holds no recipe. Choose a PNG file as this program or A1111 saved it; "
        "sites and picture editors often remove the recipe.",
        "{name} にレシピ（生成時の設定）がありません。このプログラムか A1111 で保存したままの PNG を"
        "選んでください。サイトや画像編集ソフトがレシピを消していることがよくあります。",
    ),
    (
        "{name} does not exist. Choose a PNG picture that does.",
        "{name} がありません。別の PNG 画像を選んでください。",
    ),
    (
        "{name} is not a readable PNG file. Only PNG pictures hold a recipe.",
        "{name} は PNG として読めません。レシピが入っているのは PNG 画像だけです。",
    ),
    (
        "{name} cannot be read as PNG ({error}). Choose the file as first saved.",
        "{name} を PNG として読めません（{error}）。最初に保存したままのファイルを選んでください。",
    ),
)

# What some messages join: the differences of a RunMismatchError, the runs of a TrainingError.
PARTS: Pairs = (
    ("{token} (step {step})", "{token}（ステップ {step}）"),
    ("{name:setting} was {before:value} and is now {after:value}", "{name}：{before} → {after}"),
    ("initializer was {before} and is now {after}", "初期語：{before} → {after}"),
    ("the base model was {before} and is now {after}", "ベースモデル：{before} → {after}"),
    (
        "the base model was {before} and is now another version of {after}",
        "ベースモデル：{before} → {after} の別のバージョン",
    ),
    ("the precision was {before} and is now {after}", "精度：{before} → {after}"),
    ("there were {before} pictures and are now {after}", "画像の枚数：{before} → {after}"),
    ("{name} is another picture, or has another caption", "{name}：別の画像、または別のキャプション"),
)


def in_japanese(message: str) -> str | None:
    """The core's English message in Japanese, or None if it is not one of the core's."""
    return _translated(message, MESSAGES)


@dataclass(frozen=True)
class _Rule:
    """A pair made ready: the English as a pattern, and how the text at each placeholder is read."""

    pattern: re.Pattern[str]
    readings: dict[str, Callable[[str], str]]
    japanese: str

    def apply(self, message: str) -> str | None:
        match = self.pattern.fullmatch(message)
        if match is None:
            return None
        return self.japanese.format(**{name: read(match[name]) for name, read in self.readings.items()})


def _translated(message: str, pairs: Pairs) -> str | None:
    applied = (rule.apply(message) for rule in _rules(pairs))
    return next((japanese for japanese in applied if japanese is not None), None)


@cache
def _rules(pairs: Pairs) -> tuple[_Rule, ...]:
    """Those with the most text of their own first, so that a general one does not take another's message."""
    rules = []
    for english, japanese in pairs:
        texts, fields = _split(english)
        readings = {name: _READINGS[reading] for name, reading in fields.items()}
        rules.append((len("".join(texts)), _Rule(_pattern(texts, fields), readings, japanese)))
    return tuple(rule for _, rule in sorted(rules, key=lambda entry: entry[0], reverse=True))


def _split(template: str) -> tuple[list[str], dict[str, str]]:
    """The texts around a template's placeholders, one more than there are, and each one's reading by name."""
    texts, fields = [""], {}
    for text, name, reading, _ in Formatter().parse(template):
        texts[-1] += text
        if name is not None:
            fields[name] = reading or ""
            texts.append("")
    return texts, fields


def _pattern(texts: list[str], fields: dict[str, str]) -> re.Pattern[str]:
    """A placeholder ends where the text after it is first found; the last one, where that ends the message.

    The look-ahead settles on that place: were the others tried as well, which can never help, a message
    with many brackets in a file's name could take hours. A setting is one word, for else a sentence like
    "cat.png is upside down: choose another." would pass for one about a setting.
    """
    opening, *following = map(re.escape, texts)
    captures = [(name, r"\w*" if reading == "setting" else ".*") for name, reading in fields.items()]
    pattern = opening
    for (name, any_text), text in zip(captures[:-1], following[:-1], strict=True):
        pattern += f"(?=(?P<{name}>{any_text}?){text})(?P={name}){text}"
    for name, any_text in captures[-1:]:
        pattern += f"(?P<{name}>{any_text}){following[-1]}"
    return re.compile(pattern, re.DOTALL)


def _read_message(text: str) -> str:
    """An error within an error; one that is not the core's, such as the system's, stays as it is."""
    return in_japanese(text) or text


def _read_setting(text: str) -> str:
    return SETTINGS.get(text, text)


def _read_value(text: str) -> str:
    return _VALUES.get(text, text)


def _read_choices(text: str) -> str:
    """``object or style``: each as it has to be written, and what it means."""
    choices = text.split(" or ")
    return "、".join(f"{word}（{CHOICES[word]}）" if word in CHOICES else word for word in choices)


def _read_parts(text: str, separator: str) -> str:
    return "、".join(_translated(part, PARTS) or part for part in text.split(separator))


_READINGS: dict[str, Callable[[str], str]] = {
    "": str,
    "message": _read_message,
    "setting": _read_setting,
    "value": _read_value,
    "choices": _read_choices,
    "differences": partial(_read_parts, separator="; "),
    "runs": partial(_read_parts, separator=" and "),
}
