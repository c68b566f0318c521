"""What the values of keys are: types that defaults do not tell, names to choose from, lowest and highest numbers."""

RANKING_METRICS = (
    "Hit", "MRR", "MAP", "Recall", "NDCG", "Precision", "GAUC",
    "ItemCoverage", "AveragePopularity", "ShannonEntropy", "GiniIndex", "TailPercentage",
)  # fmt: skip
"""RecBole's ranking metrics; a test compares them with RecBole's own table, which is slow to import."""

# Keys that RecBole reads although none of its YAML files has them.
UNLISTED = {
    "model": (str,),
    "dataset": (str,),
    "encoding": (str, None),
    "eta": (float, None),
    "mask_ratio": (float, None),
    "ft_ratio": (float, None),
    "reg_weight": (float, None),
    "tail_ratio": (float, int, None),
    "nproc": (int,),
    "world_size": (int,),
    "ip": (str,),
    "port": (str,),
    "offset": (int,),
    "local_rank": (int,),
}

# Types of keys whose default (None, or one of several forms) does not tell them.
TYPES = {
    **UNLISTED,
    "gpu_id": (str, int),
    "dataset_save_path": (str, None),
    "dataloaders_save_path": (str, None),
    "clip_grad_norm": (dict, None),
    "transform": (str, None),
    "seq_len": (dict, None),
    "threshold": (dict, None),
    "load_col": (dict, None),
    "unload_col": (dict, None),
    "unused_col": (dict, None),
    "additional_feat_suffix": (list, None),
    "rm_dup_inter": (str, None),
    "val_interval": (dict, None),
    "targeted_interval": (dict, None),
    "user_inter_num_interval": (str, None),
    "item_inter_num_interval": (str, None),
    "alias_of_user_id": (list, None),
    "alias_of_item_id": (list, None),
    "alias_of_entity_id": (list, None),
    "alias_of_relation_id": (list, None),
    "preload_weight": (dict, None),
    "normalize_field": (list, None),
    "normalize_all": (bool, None),
    "discretization": (dict, None),
    "benchmark_filename": (list, None),
    "cache_path": (str, None),
    "pretrained": (str, None),
    "trained_dir": (str, None),
    "pretrain_model": (str, None),
    "text_pooling": (str, None),
    "text_fields": (list, None),
    "inspect_items": (list, None),
    "source_text_fields": (list, None),
    "threads": (int, None),
    "pretrain_seed": (int, None),
    "seeds": (list, None),
    "few_shot": (list, None),
    "warm_up_new_slices": (int, None),
    "warm_up_replay": (int, None),
    "warm_up_test_events": (int, None),
    "baseline": (str, None),
    "model_options": (dict,),
}

# What the elements of a list are, where its default is empty or None.
ELEMENTS = {
    "text_fields": str,
    "inspect_items": str,
    "source_text_fields": str,
    "shared_users": list,
    "seeds": int,
    "few_shot": float,
    "additional_feat_suffix": str,
    "benchmark_filename": str,
    "normalize_field": str,
    "numerical_features": str,
    "alias_of_user_id": str,
    "alias_of_item_id": str,
}

_VARIANTS = ("scratch", "text_pca", "random_match", "zero_shot", "fine_tune", "new_encoder")

# The words that a key takes; for a list, what each of its elements takes. Compared without regard to case.
CHOICES = {
    "learner": ("adam", "adamw", "sgd", "adagrad", "rmsprop", "sparse_adam"),
    "loss_type": ("CE", "BPR", "BCE"),
    "metrics": RANKING_METRICS,
    "state": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
    "hidden_act": ("gelu", "relu", "swish", "tanh", "sigmoid"),
    "rm_dup_inter": ("first", "last"),
    "text_pooling": ("mean", "cls", "max"),
    "training_rows": ("position", "prefix"),
    "engine": ("local", "ray"),
    "index": ("hnsw", "ivf"),
    "route": ("u2i", "u2i2i"),
    "triggers": ("history", "nearest"),
    "transfer": _VARIANTS,
    "fusion": ("experts", "experts_softmax", "mean", "concat", "attention", "id_only", "text_only"),
    "targeted_contrast": ("users", "items", "both", "softmax"),
    "user_head": ("mlp", "residual"),
    "search": ("exact", "hnsw", "ivf"),
    "cdim_depth": ("none", "head", "last_n", "full"),
    "cdim_losses": ("text", "behaviour"),
    "generator": ("paper", "neighbours", "map", "mixture", "blend"),
    "rescale": ("none", "spread", "norm"),
    "variants": _VARIANTS,
}

# Lowest and highest value of a number, and of the elements of a list; None: no limit.
LIMITS = {
    **dict.fromkeys(("attn_dropout_prob", "hidden_dropout_prob", "gru_dropout_prob"), (0, 1)),
    **dict.fromkeys(("mask_ratio", "ft_ratio"), (0, 1)),
    **dict.fromkeys(("learning_rate", "pretrain_learning_rate", "weight_decay", "layer_norm_eps"), (0, None)),
    **dict.fromkeys(("initializer_range", "worker", "train_negatives", "pretrain_negatives"), (0, None)),
    # NumPy's generators take no more.
    **dict.fromkeys(("seed", "seeds", "pretrain_seed", "train_users_seed"), (0, 2**32 - 1)),
    **dict.fromkeys(("epochs", "pretrain_epochs", "train_batch_size", "eval_batch_size", "eval_step"), (1, None)),
    **dict.fromkeys(("stopping_step", "n_heads", "hidden_size", "inner_size", "top_m"), (1, None)),
    # More would be made one after the other until the memory is full; and more threads make OpenMP end the process.
    **dict.fromkeys(("n_layers", "gru_layers", "projection_layers", "threads"), (1, 1000)),
    **dict.fromkeys(("inspect_sample", "k", "k_core", "min_length", "epoch_steps", "gru_hidden_size"), (1, None)),
    **dict.fromkeys(("train_users_share", "few_shot", "search_recall"), (0, 1)),
    **{"jobs": (1, None), "tune": (0, None)},
    **dict.fromkeys(("pretrain_batch_size", "pretrain_stopping_step"), (1, None)),
    **dict.fromkeys(("cdim_neighbours", "cdim_layers", "cdim_epochs", "cdim_batch_size"), (1, None)),
    **dict.fromkeys(("cdim_valid_items", "cdim_encoder_epochs", "cdim_encoder_batch_size"), (1, None)),
    **dict.fromkeys(("cdim_temperature", "cdim_learning_rate", "cdim_encoder_learning_rate"), (0, None)),
    "cdim_dropout": (0, 1),
    **dict.fromkeys(("projection_dropout_prob", "adaptor_dropout_prob", "item_drop_ratio", "word_drop_ratio"), (0, 1)),
    "n_experts": (1, None),
    **dict.fromkeys(("temperature", "sequence_loss_weight"), (0, None)),
    "item_drop_coefficient": (0, 1),
    **dict.fromkeys(("semantic_size", "top_experts", "token_count", "token_width", "head_size"), (1, None)),
    **dict.fromkeys(("targeted_length", "targeted_rows", "pretrain_epoch_steps"), (1, None)),
    **{"balance_weight": (0, None), "frozen_share": (0, 1)},
    **{"warm_up_period": (0, None), "warm_up_slices": (2, None), "warm_up_start": (0, 1)},
    **dict.fromkeys(("warm_up_new_slices", "warm_up_replay", "warm_up_slice_epochs"), (1, None)),
    **dict.fromkeys(("warm_up_universal_epochs", "warm_up_targeted_epochs", "warm_up_test_events"), (1, None)),
    **dict.fromkeys(
        ("negative_smoothing", "pretrain_valid_users", "match_temperature", "map_ridge", "generated_prior"), (0, None)
    ),
    "generated_spread": (0, None),
    "own_texts": (0, 1),
    **dict.fromkeys(("popularity_buckets", "history_buckets"), (0, None)),
    **dict.fromkeys(("topk", "MAX_ITEM_LIST_LENGTH", "text_length", "text_tokens"), (1, None)),
}

# Limits that a value may come near to, but not reach: with all dropped out, or divided by zero, there is no result.
EXCLUDED = {
    **dict.fromkeys(("attn_dropout_prob", "hidden_dropout_prob", "gru_dropout_prob"), 1),
    **dict.fromkeys(("mask_ratio", "match_temperature", "train_users_share", "few_shot", "cdim_temperature"), 0),
    **dict.fromkeys(("map_ridge", "generated_spread"), 0),
    **dict.fromkeys(("cdim_dropout", "projection_dropout_prob", "adaptor_dropout_prob", "item_drop_ratio"), 1),
    **{"temperature": 0, "frozen_share": 1, "warm_up_start": 1},
}

# Lists that mean nothing when they are empty, nor when something stands in them twice.
SETS = (
    "cdim_losses",
    "metrics",
    "popularity_buckets",
    "history_buckets",
    "topk",
    "variants",
    "seeds",
    "few_shot",
    "warm_up_period",
)
