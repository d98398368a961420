"""Every error that the core raises deliberately, as one tree.

    OneWordError
    ├── InputError                 the input is wrong; the message says what to do next
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
    │       └── RunMismatchError   a run was resumed with other pictures or settings
    ├── HubError                   a request to the Hugging Face Hub failed
    │   ├── HubLoginError          nobody is logged in, or the login is not accepted
    │   ├── HubPermissionError     the account lacks the permission
    │   ├── HubNotFoundError       there is no such repository, or no concept in it
    │   ├── HubConflictError       a repository holds something else, or was changed meanwhile
    │   ├── HubBusyError           too many requests
    │   └── HubUnreachableError    the Hub did not respond, or not correctly
    ├── TrainingError              training itself failed
    ├── GenerationError            drawing a picture failed
    └── Cancelled                  stopped at the caller's request

Each error carries a :class:`~ti_core.messages.Message`: a template and its values. They make one plain
sentence (or two) for a person who did not write the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

from ti_core.messages import Listing, Message, clauses, either, sentences


class OneWordError(Exception):
    """The base class of every error that the core raises deliberately.

    The constructor takes a template and its values, ``PictureError("{name} is empty: choose another file.",
    name=name)``, or a finished message. ``str`` gives the English sentence.
    """

    def __init__(self, template: str | Message | Listing = "", /, **values: Any):
        self.message = Message(template, **values) if isinstance(template, str) else template
        super().__init__(self.message)

    def __str__(self) -> str:
        return str(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are pickled between processes, and some constructors take other arguments than the message.
        return _made_again, (type(self), self.__dict__)


def _made_again(kind: type[OneWordError], attributes: Mapping[str, Any]) -> OneWordError:
    error = kind.__new__(kind, attributes["message"])
    error.__dict__.update(attributes)
    return error


class InputError(OneWordError):
    """The input is wrong; nothing has been changed."""


class PictureError(InputError):
    """A picture cannot be used for training or as a starting point."""


class ConfigError(InputError):
    """A setting has a value that cannot work."""


class TokenNameError(InputError):
    """A name cannot become a concept token."""


class PromptError(InputError):
    """A prompt cannot be encoded."""


class UnknownTokenError(PromptError):
    """A prompt uses concept tokens that no loaded concept defines.

    ``unknown`` maps each of them to the most similar tokens that are defined.
    """

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
    """A concept belongs to a base model other than the one in use."""


class ModelError(InputError):
    """A base model cannot be found or loaded."""


class RecipeError(InputError):
    """A picture holds no readable generation recipe."""


class RunError(InputError):
    """A training run cannot be created, found or resumed."""


class RunMismatchError(RunError):
    """A run was resumed with pictures or settings other than those it was started with."""

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
    """A request to the Hugging Face Hub failed; nothing on this machine has been changed."""


class HubLoginError(HubError):
    """Nobody is logged in, or the Hub does not accept the login."""


class HubPermissionError(HubError):
    """The account that is logged in lacks the permission."""


class HubNotFoundError(HubError):
    """There is no such repository or revision, or no concept in it."""


class HubConflictError(HubError):
    """A repository holds something other than what is to be published there, or was changed meanwhile."""


class HubBusyError(HubError):
    """The Hub refused because of too many requests."""


class HubUnreachableError(HubError):
    """The Hub did not respond, or not correctly."""


class TrainingError(OneWordError):
    """Training failed for a reason other than invalid input.

    ``states`` are the training states that failed and ``folders`` their runs on disk; both are empty if the
    failure concerns all runs.
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
    """Drawing a picture failed for a reason other than invalid input."""


class Cancelled(OneWordError):
    """The work was stopped at the caller's request."""
