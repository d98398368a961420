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

Messages are one plain sentence (or two) for a person who did not write the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


class OneWordError(Exception):
    """The root of every error that the core raises on purpose."""


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
        super().__init__(" ".join(self._sentence(token, closest) for token, closest in self.unknown.items()))

    @staticmethod
    def _sentence(token: str, closest: Sequence[str]) -> str:
        advice = "Load the concept that defines it, or remove it from the prompt."
        if closest:
            advice = f"Did you mean {' or '.join(closest)}?"
        return f"No loaded concept defines {token}. {advice}"


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

    def __init__(self, differences: Sequence[str]):
        self.differences = tuple(differences)
        super().__init__(
            "This run was started differently: "
            + "; ".join(self.differences)
            + ". Resume it with the same pictures and settings, or start a new run in another folder."
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

    def __init__(self, message: str, *, states: Sequence[object] = (), folders: Sequence[Path] = ()):
        self.states = tuple(states)
        self.folders = tuple(folders)
        super().__init__(message)


class GenerationError(OneWordError):
    """Drawing a picture failed for a reason that is not the input's form."""


class Cancelled(OneWordError):
    """The work was stopped because the caller asked for it."""
