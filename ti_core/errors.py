"""Every error the core raises on purpose, as one tree.

    OneWordError
    ├── InputError                 what was given is wrong; the message says what to do next
    │   ├── PictureError           a picture cannot be used
    │   ├── ConfigError            a setting has a value that cannot work
    │   ├── TokenNameError         a name cannot become a concept token
    │   ├── PromptError            a prompt cannot be encoded
    │   │   └── UnknownTokenError  a prompt uses a token that no loaded concept defines
    │   ├── ConceptError           a concept folder or file cannot be read
    │   │   └── IncompatibleConceptError   a concept belongs to another base model
    │   ├── ModelError             a base model cannot be found or loaded
    │   ├── RecipeError            a picture holds no readable generation recipe
    │   └── RunError               a training run cannot be created, found or resumed
    │       └── RunMismatchError   a resume with other pictures or settings
    ├── HubError                   the Hugging Face Hub did not do what was asked of it
    │   ├── HubLoginError          nobody is logged in, or the login is not accepted
    │   ├── HubPermissionError     the login may not do this
    │   ├── HubNotFoundError       there is no such repository, or no concept in it
    │   ├── HubConflictError       a repository holds something else, or was changed meanwhile
    │   ├── HubBusyError           too many requests
    │   └── HubUnreachableError    the Hub did not answer, or not sensibly
    ├── TrainingError              training itself failed
    ├── GenerationError            drawing a picture failed
    └── Cancelled                  stopped because the caller asked for it

Each carries a :class:`~ti_core.messages.Message`: a template and its values, which make one plain sentence
(or two) for a person who did not write the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from ti_core.messages import Listing, Message, clauses, either, sentences


class OneWordError(Exception):
    """The root of every error that the core raises on purpose.

    It takes a template and its values, ``PictureError("{name} is empty: choose another file.", name=name)``,
    or a finished message. Its ``str`` is the English sentence.
    """

    def __init__(self, template: str | Message | Listing = "", /, **values: Any):
        self.message = Message(template, **values) if isinstance(template, str) else template
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Any, ...]:  # errors cross processes; some are made of other arguments
        return _made_again, (type(self), self.__dict__)


def _made_again(kind: type[OneWordError], attributes: Mapping[str, Any]) -> OneWordError:
    error = kind.__new__(kind, attributes["message"])
    error.__dict__.update(attributes)
    return error


class InputError(OneWordError):
    """What was given is wrong; nothing has been changed."""


class PictureError(InputError):
    """A picture cannot be used for training or as a starting point."""


class ConfigError(InputError):
    """A setting has a value that cannot work."""


class TokenNameError(InputError):
    """A name cannot become a concept token."""


class PromptError(InputError):
    """A prompt cannot be encoded."""


class UnknownTokenError(PromptError):
    """A prompt uses concept tokens that no loaded concept defines: ``unknown``, each with the closest that
    one does."""

    def __init__(self, unknown: Mapping[str, Sequence[str]]):
        self.unknown = {token: tuple(closest) for token, closest in unknown.items()}
        super().__init__(sentences(starmap(_no_such_token, self.unknown.items())))


def _no_such_token(token: str, closest: Sequence[str]) -> Message:
    if closest:
        return Message(
            "No loaded concept defines {token}. Did you mean {closest}?", token=token, closest=either(closest)
        )
    return Message(
        "No loaded concept defines {token}. Load the concept that defines it, or remove it from the prompt.",
        token=token,
    )


class ConceptError(InputError):
    """A concept folder or file cannot be read or written."""


class IncompatibleConceptError(ConceptError):
    """A concept belongs to another base model than the one in use."""


class ModelError(InputError):
    """A base model cannot be found or loaded."""


class RecipeError(InputError):
    """A picture holds no readable generation recipe."""


class RunError(InputError):
    """A training run cannot be created, found or resumed."""


class RunMismatchError(RunError):
    """A run was resumed with other pictures or settings than it was started with."""

    def __init__(self, differences: Sequence[Message]):
        self.differences = tuple(differences)
        super().__init__(
            Message(
                "This run was started differently: {differences}. Resume it with the same pictures and "
                "settings, or start a new run in another folder.",
                differences=clauses(self.differences),
            )
        )


class HubError(OneWordError):
    """The Hugging Face Hub did not do what was asked of it; nothing here has been changed."""


class HubLoginError(HubError):
    """Nobody is logged in, or the Hub does not accept the login."""


class HubPermissionError(HubError):
    """The login may not do this."""


class HubNotFoundError(HubError):
    """There is no such repository or revision, or no concept in it."""


class HubConflictError(HubError):
    """A repository holds something else than what is to be put there, or was changed meanwhile."""


class HubBusyError(HubError):
    """The Hub was asked too often."""


class HubUnreachableError(HubError):
    """The Hub did not answer, or not sensibly."""


class TrainingError(OneWordError):
    """Training failed for a reason that is not the input's form.

    ``states`` are the training states that failed and ``folders`` their runs on disk, where it is not
    all of them.
    """

    def __init__(
        self,
        template: str | Message | Listing,
        /,
        *,
        states: Sequence[object] = (),
        folders: Sequence[Path] = (),
        **values: Any,
    ):
        self.states = tuple(states)
        self.folders = tuple(folders)
        super().__init__(template, **values)


class GenerationError(OneWordError):
    """Drawing a picture failed for a reason that is not the input's form."""


class Cancelled(OneWordError):
    """The work was stopped because the caller asked for it."""
