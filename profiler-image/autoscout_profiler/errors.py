"""What a profile can fail with: one exception for each reason that is not simply the framework's own failure.

The reasons are the words that error frames carry (docs/profilers.md says what each means for a TuningJob).
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why there is no measurement."""

    OUT_OF_MEMORY = "OutOfMemory"
    """The memory of a GPU did not suffice."""
    HOST_OUT_OF_MEMORY = "HostOutOfMemory"
    """The memory of the machine or of the container did not suffice."""
    INVALID_CONFIGURATION = "InvalidConfiguration"
    """A parameter has a value that the framework refuses, ignores, or computes wrongly with."""
    FRAMEWORK_ERROR = "FrameworkError"
    """The framework failed; the message is its own."""
    HANG = "Hang"
    """There was no progress for too long."""
    INFRASTRUCTURE = "Infrastructure"
    """The platform is to blame: the trial is repeated elsewhere."""
    KILLED = "Killed"
    """A process was killed by a signal."""
    PEER_LOST = "PeerLost"
    """The processes of another node vanished; why, only that node knows."""


class ProfileError(Exception):
    """A profile that failed for a reason that is known."""

    reason: Reason = Reason.FRAMEWORK_ERROR


# Named as their reasons are: who raises one writes the word that the user will read.
class InvalidConfiguration(ProfileError, ValueError):  # noqa: N818
    """A value that the framework would refuse, ignore, or compute wrongly with.

    Attributes:
        field: the parameter, as the configuration spells it: `tp`, or `workload.sequenceLength`.
    """

    reason = Reason.INVALID_CONFIGURATION

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class OutOfMemory(ProfileError):  # noqa: N818
    """The memory of a GPU did not suffice, in the framework's own words."""

    reason = Reason.OUT_OF_MEMORY


class HostOutOfMemory(ProfileError):  # noqa: N818
    """The memory of the machine did not suffice, in the framework's own words."""

    reason = Reason.HOST_OUT_OF_MEMORY


class InfrastructureError(ProfileError):
    """The platform did not give what the TuningJob asks for: too few devices, a broken one, no shared memory."""

    reason = Reason.INFRASTRUCTURE
