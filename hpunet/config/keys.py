"""Every key of a run's configuration: default, meaning, what is allowed.

The files in `configs/` state what differs from here.
"""

from hpunet.config.kinds import (
    BOOLEAN,
    FINITE,
    PROBABILITY,
    TEXT,
    Key,
    number,
    one_of,
    optional,
    pair,
    several,
    whole,
)
from hpunet.data.folder.config import INTENSITIES, SIZES, SLICES
from hpunet.models.precision import PRECISIONS
from hpunet.training.optimizer import SCHEDULES

KEYS: dict[str, Key] = {
    "seed": Key(0, whole(0), "Decides weights, order, annotators, noise and augmentation."),
    "num_steps": Key(240_000, whole(1), "Steps of training."),
    "batch_size": Key(32, whole(1), "Images of a step, over all devices of all hosts."),
    "log_every": Key(100, whole(1), "Steps between two lines of metrics.jsonl."),
    "checkpoint_every": Key(1000, whole(1), "Steps between two checkpoints."),
    "evaluate_every": Key(5000, whole(0), "Steps between two validations; 0 for none."),
    "precision": Key(
        "float32", one_of(*PRECISIONS), "Of training's features; all else is float32."
    ),
    "remat": Key(False, BOOLEAN, "Computes levels twice instead of keeping them; for GPU memory."),
    "data.name": Key("synthetic", one_of("synthetic", "lidc", "folder"), "Which data set."),
    "data.dir": Key(
        None,
        optional(TEXT),
        "Folder of the LIDC crops, packed or not, None downloads them; or of one's own images.",
    ),
    "data.prepared_dir": Key(
        "~/.cache/hpunet/data", TEXT, "Folder for the data as prepared at the first run."
    ),
    "data.crop": Key(128, whole(1), "Height and width that the network sees, in pixels."),
    "data.augment": Key(
        True,
        BOOLEAN,
        "Deforms and crops at random; False takes the central crop, of a folder one as sizes says.",
    ),
    "data.pixel_spacing": Key(
        None, optional(number(0, above=True)), "Millimetres a pixel, kept with the weights."
    ),
    "data.num_workers": Key(
        2, whole(0), "Processes that read, at most one a core; 0 for a thread."
    ),
    "data.augmentation.elastic_displacement": Key(
        2.0, number(0), "Standard deviation of the elastic shifts, in pixels."
    ),
    "data.augmentation.elastic_scale": Key(
        16.0, number(0, above=True), "How far the elastic shifts reach, in pixels."
    ),
    "data.augmentation.rotation_degrees": Key(
        15.0, number(0, most=180), "Largest rotation either way, in degrees."
    ),
    "data.augmentation.shear": Key(
        0.1, number(0, most=0.99), "Largest shear: pixels of shift a pixel of distance."
    ),
    "data.augmentation.scale": Key(
        (0.9, 1.1), pair(number(0, above=True)), "Smallest and largest magnification."
    ),
    "data.synthetic.image_size": Key(128, whole(32), "Height and width, pixels."),
    "data.synthetic.num_train": Key(2000, whole(1), "Images of the split train."),
    "data.synthetic.num_val": Key(200, whole(1), "Images of the split val."),
    "data.synthetic.num_test": Key(200, whole(1), "Images of the split test."),
    "data.synthetic.num_annotators": Key(4, whole(1), "Annotations an image."),
    "data.synthetic.p_drawn": Key(0.7, PROBABILITY, "That an annotator draws the lesion at all."),
    "data.synthetic.p_halo": Key(0.4, PROBABILITY, "That one who does includes the halo."),
    "data.synthetic.p_protrusion": Key(
        (0.5, 0.35), several(PROBABILITY), "That one who does includes each protrusion."
    ),
    "data.synthetic.seed": Key(0, whole(0), "Of images and annotations."),
    "data.folder.table": Key(
        None, optional(TEXT), "CSV file below data.dir; None for annotations.csv if it is there."
    ),
    "data.folder.classes": Key(
        None,
        optional(TEXT),
        "Value of each class in masks, as 0,128=edema,255=core or #000000,#ff0000=core.",
    ),
    "data.folder.ignore": Key(
        None, optional(TEXT), "Value or colour in masks of pixels that count nowhere."
    ),
    "data.folder.patient": Key(
        None,
        optional(TEXT),
        "Regular expression whose first group, in an image's name, is its patient; None takes the "
        "folder below images.",
    ),
    "data.folder.splits": Key(
        None, optional(TEXT), "CSV file of patients or images and splits; None draws by seed."
    ),
    "data.folder.split_seed": Key(0, whole(0), "Which patients are in which split."),
    "data.folder.split_shares": Key(
        (0.7, 0.15, 0.15), several(PROBABILITY), "Of the patients, for train, val and test."
    ),
    "data.folder.slices": Key("all", one_of(*SLICES), "Slices of volumes that are used."),
    "data.folder.sizes": Key(
        "crop",
        one_of(*SIZES),
        "What training sees: a crop from anywhere, around annotated pixels, or the image resized.",
    ),
    "data.folder.intensities": Key(
        "percentiles", one_of(*INTENSITIES), "What the training split's values become 0 and 1 by."
    ),
    "data.folder.range": Key(
        None, optional(pair(FINITE)), "range: values that become 0 and 1; None for all there are."
    ),
    "data.folder.percentiles": Key(
        (0.5, 99.5), pair(number(0, most=100)), "percentiles: which become 0 and 1."
    ),
    "data.folder.annotator_weights": Key(
        None, optional(TEXT), "How often annotators are drawn in training, as anna=2,ben=0; else 1."
    ),
    "model.latent_dims": Key(
        (1, 1, 1, 1), several(whole(1)), "Channels of the latent at each scale, coarsest first."
    ),
    "model.channels_per_block": Key(
        (24, 48, 96, 192, 192, 192, 192, 192),
        several(whole(1)),
        "Channels at each level, full resolution first.",
    ),
    "model.down_channels_per_block": Key(
        None, optional(several(whole(1))), "Channels inside the blocks; None halves the above."
    ),
    "model.num_classes": Key(2, whole(2), "Classes, background included."),
    "model.convs_per_block": Key(3, whole(1), "3x3 convolutions of a residual block."),
    "model.blocks_per_level": Key(3, whole(1), "Residual blocks of a level."),
    "objective.name": Key("geco", one_of("geco", "elbo"), "How reconstruction and KL are weighed."),
    "objective.kappa": Key(0.05, number(0, above=True), "GECO: nats a kept pixel to be reached."),
    "objective.decay": Key(0.99, number(0, most=0.999999), "GECO: decay of the average."),
    "objective.rate": Key(
        0.01, number(0, above=True), "GECO: factor on the multiplier's gradient."
    ),
    "objective.beta": Key(1.0, number(0), "ELBO: weight of the KL."),
    "objective.top_k_fraction": Key(
        0.02, optional(number(0, above=True, most=1)), "Share of pixels kept; None for all."
    ),
    "objective.deterministic_top_k": Key(
        False, BOOLEAN, "Keeps the worst pixels instead of drawing them."
    ),
    "objective.l2": Key(1e-5, number(0), "Factor of the sum of the squares of all weights."),
    "optimizer.learning_rate": Key(1e-4, number(0, above=True), "Adam's rate after the warm-up."),
    "optimizer.schedule": Key("constant", one_of(*SCHEDULES), "How the rate changes."),
    "optimizer.warmup_steps": Key(0, whole(0), "Steps of linear climb."),
    "optimizer.boundaries": Key((), several(whole(1)), "piecewise: steps at which it changes."),
    "optimizer.factors": Key(
        (), several(number(0)), "piecewise: factors on learning_rate from each boundary on."
    ),
    "optimizer.decay_steps": Key(1, whole(1), "cosine: step at which it is lowest."),
    "optimizer.final_factor": Key(0.0, PROBABILITY, "cosine: lowest rate over learning_rate."),
    "optimizer.b1": Key(0.9, number(0, most=0.999999), "Adam's decay of the average."),
    "optimizer.b2": Key(0.999, number(0, most=0.999999), "Adam's decay of the squares' average."),
    "optimizer.eps": Key(1e-8, number(0, above=True), "Adam's epsilon."),
    "evaluation.num_images": Key(64, whole(1), "Validation images that are scored."),
    "evaluation.num_samples": Key(16, whole(1), "Samples an image that they are scored with."),
}

# Keys without a default value still have a type, by which a flag is read.
UNSET = {
    "data.dir": str,
    "data.pixel_spacing": float,
    "data.folder.table": str,
    "data.folder.classes": str,
    "data.folder.ignore": str,
    "data.folder.patient": str,
    "data.folder.splits": str,
    "data.folder.range": tuple,
    "data.folder.annotator_weights": str,
    "model.down_channels_per_block": tuple,
}

# What may differ when a run goes on, for it does not change what a step computes; precision does.
LOOP_KEYS = ("num_steps", "log_every", "checkpoint_every", "evaluate_every")
FREE_KEYS = (*LOOP_KEYS, "remat")
