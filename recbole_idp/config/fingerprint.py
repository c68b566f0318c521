"""Keys that cannot change a result, and are left out of its fingerprint."""

# Keys on which no number hangs: where things lie and are put, what is shown, and which trials stand beside this one.
# The content of data and bundle counts, not the place. What the task warm-up reads means nothing to others.
_PLACES = ("cache_path", "checkpoint_dir", "data_path", "pretrained", "result_dir", "trained_dir")


_SHOWN = ("keep_trained", "keep_users", "log_wandb", "show_progress", "state", "wandb_project")


_BESIDE = ("variants", "seeds", "few_shot")


WARM_UP = (
    *("warm_up_period", "warm_up_start", "warm_up_slices", "warm_up_new_slices", "warm_up_replay"),
    *("warm_up_test_events", "warm_up_universal_epochs", "warm_up_targeted_epochs", "warm_up_slice_epochs"),
)


NO_MATTER = (*_PLACES, *_SHOWN, *_BESIDE, *WARM_UP)
