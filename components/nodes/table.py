"""The table of all kinds of nodes; a new kind adds its file and its row here."""

from __future__ import annotations

from components.nodes.combine import Combine
from components.nodes.command import Command
from components.nodes.corrections import Corrections
from components.nodes.data import Data
from components.nodes.distill import Distill
from components.nodes.edit import Edit
from components.nodes.encode_speech import EncodeSpeech
from components.nodes.estimate import Estimate
from components.nodes.fuse import Fuse
from components.nodes.gold import Gold
from components.nodes.join_segments import JoinSegments
from components.nodes.kind_registry import KindRegistry
from components.nodes.loop import Loop, LoopRound
from components.nodes.merge import Merge
from components.nodes.mixture_weights import MixtureWeights
from components.nodes.perturb import Perturb
from components.nodes.python import Python
from components.nodes.recognize import Recognize
from components.nodes.reduce_experts import ReduceExperts
from components.nodes.refine import Refine, RefineRound
from components.nodes.review import Review, ReviewAnswers
from components.nodes.route import RouteKind
from components.nodes.score import ScoreKind
from components.nodes.select import Select
from components.nodes.stack import Stack
from components.nodes.stored import Stored
from components.nodes.synthesize import Synthesize
from components.nodes.targets import Targets
from components.nodes.trace_experts import TraceExperts
from components.nodes.train import Train
from components.nodes.train_ctc import TrainCtc
from components.nodes.train_estimate import TrainEstimate
from components.nodes.train_experts import TrainExperts
from components.nodes.train_fuse import TrainFuse
from components.nodes.train_pre_translation import TrainPreTranslation
from components.nodes.train_route import TrainRoute
from components.nodes.train_stack import TrainStack
from components.nodes.translate import Translate
from components.nodes.translate_speech import TranslateSpeech
from components.nodes.tune import Tune
from components.nodes.tune_stack import TuneStack
from components.nodes.upcycle import Upcycle

KINDS = KindRegistry(
    (
        Combine(),
        Command(),
        Corrections(),
        Data(),
        Distill(),
        Edit(),
        EncodeSpeech(),
        Estimate(),
        Fuse(),
        Gold(),
        JoinSegments(),
        Loop(),
        LoopRound(),
        Merge(),
        MixtureWeights(),
        Perturb(),
        Python(),
        Recognize(),
        ReduceExperts(),
        Refine(),
        RefineRound(),
        Review(),
        ReviewAnswers(),
        RouteKind(),
        ScoreKind(),
        Select(),
        Stack(),
        Stored(),
        Synthesize(),
        Targets(),
        TraceExperts(),
        Train(),
        TrainCtc(),
        TrainEstimate(),
        TrainExperts(),
        TrainFuse(),
        TrainPreTranslation(),
        TrainRoute(),
        TrainStack(),
        Translate(),
        TranslateSpeech(),
        Tune(),
        TuneStack(),
        Upcycle(),
    )
)
"""Kinds by the name that ``kind:`` takes in a file, with those that installed packages add."""
