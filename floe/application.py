"""Everything that has a life while Floe runs, with one owner and one order of starting and ending.

The page, the command line and the API all use the same object; none of them opens a store, loads
a model or starts a thread of its own. Knows neither gradio nor torch.
"""

import logging
import os
from contextlib import ExitStack
from typing import Self

from floe.chat.assistant import Assistant
from floe.child_environment import drop_secrets
from floe.cloud.credentials.keys import VARIABLES
from floe.cloud.link import CloudLink
from floe.config import STAND_IN, Settings
from floe.federation.group.membership import Membership, Simulation
from floe.jobs.chat_import import ChatImportJob
from floe.jobs.endpoint_test import EndpointTest
from floe.jobs.join_job import JoinJob
from floe.jobs.memory_job import MemoryJob
from floe.jobs.plan_job import PlanJob
from floe.jobs.privacy_scan import PrivacyScan
from floe.jobs.weight_fit import WeightFitJob
from floe.llama.runtime import LlamaModel
from floe.llama.threads import choose_threads
from floe.llama.trial_load import try_loading
from floe.models.catalog import fetch_missing, load_catalog, resolve_model
from floe.privacy.choices import own_words
from floe.privacy.detector import Detector
from floe.store import Store
from floe.store.backup import BackupSchedule
from floe.training.runs import TrainingRuns

logger = logging.getLogger(__name__)


class Application:
    """The program behind the page, the command line and the API; close it when done.

    Attributes:
        settings: how this run is set up.
        store: all that is kept.
        assistant: answers; it knows the model, the cloud, the gate and the adapters.
        runs: training.
        membership: the group this device is in.
        join_job: joining it.
        simulation: a group that is tried out on this device.
        chat_import: a file of chats that is being read.
        privacy_scan: the look for what is private in chats that came from elsewhere.
        endpoint_test: the test of a cloud.
        memory_job: the reading of what is new for memory.
        plan_job: the plan of the next training.
        weight_fit: the fit of the automatic weight.
        backups: the daily backup, once it is started.
    """

    def __init__(self, settings: Settings, assistant: Assistant) -> None:
        """Take over an assistant that is ready; see `open` for how one is made."""
        self.settings = settings
        self.assistant = assistant
        self.store = assistant.store
        self.privacy_scan = PrivacyScan(assistant.store, assistant.gate)
        self.chat_import = ChatImportJob(assistant.store)
        self.endpoint_test = EndpointTest(assistant.cloud)
        self.memory_job = MemoryJob(assistant.memory)
        self.plan_job = PlanJob(assistant.store, assistant.model.path)
        self.weight_fit = WeightFitJob(assistant, settings)
        self.runs = TrainingRuns(
            assistant.store,
            assistant.adapters,
            settings.data_dir,
            replan=self.plan_job.make_smaller,
            answer=assistant.answer,
            adopted=self.weight_fit.start,
        )
        self.backups = BackupSchedule(settings.data_dir, lambda: assistant.busy)
        self.membership = Membership(assistant.store, settings.data_dir)
        self.join_job = JoinJob(assistant.store, self.membership, assistant.model.path)
        self.simulation = Simulation(assistant.store, settings.data_dir)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Load what the settings name; fetches models that are missing, with a bar on stderr.

        The data folder is locked and unlocked by the caller: nobody else may write there.

        Raises:
            FloeError: something that a person can mend stands in the way.
        """
        with ExitStack() as opened:
            store = Store(settings.database)
            opened.callback(store.close)
            store.recover()
            cloud = CloudLink(settings, store)
            opened.callback(cloud.close)
            # The keys have been read, so that what a library starts from here on inherits none.
            drop_secrets(os.environ, VARIABLES)
            stand_in = cloud.choice.base_url == STAND_IN
            wanted = [settings.model, *([settings.stand_in_model] if stand_in else [])]
            fetch_missing(wanted, settings.models_dir)
            threads, reason = choose_threads(settings.threads, shared=stand_in)
            logger.info("%d threads for the local model: %s", threads, reason)
            # Starts loading its model in a process of its own while this one loads and imports.
            cloud.connect()
            detector = Detector(own_words(store))
            detector.load_in_background()
            path = resolve_model(settings.model, settings.models_dir)
            if load_catalog().find(settings.model) is None:
                try_loading(path, settings.data_dir)
            model = LlamaModel(
                path,
                context=settings.context,
                threads=threads,
            )
            opened.callback(model.close)
            assistant = Assistant(settings, store, model, cloud, detector)
            opened.pop_all()
        with ExitStack() as opened:
            opened.callback(assistant.close)
            application = cls(settings, assistant)
            application.memory_job.start()
            opened.pop_all()
        return application

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End answers, then the jobs, then what they stand on.

        A training goes on and is found again; a group is joined again at the next start.
        """
        with ExitStack() as ending:
            ending.callback(self.assistant.close)
            ending.callback(self.backups.close)
            ending.callback(self.memory_job.close)
            ending.callback(self.plan_job.close)
            ending.callback(self.weight_fit.close)
            ending.callback(self.runs.close)
            ending.callback(self.endpoint_test.close)
            ending.callback(self.privacy_scan.close)
            ending.callback(self.chat_import.close)
            ending.callback(self.simulation.stop)
            ending.callback(self.membership.close)
            ending.callback(self.join_job.close)
            # The rest may wait for an answer, so answers end first.
            ending.callback(self.assistant.stop)
