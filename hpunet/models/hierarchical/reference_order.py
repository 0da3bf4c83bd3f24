"""The order in which the reference builds its convolutions, and by which it numbers them."""

from collections.abc import Sequence

from hpunet.models.hierarchical.config import ModelConfig
from hpunet.models.initialization import Parameter


def in_reference_order(parameters: Sequence[Parameter], config: ModelConfig) -> list[Parameter]:
    """Sorts parameters as a pass through the reference's network comes to them.

    The reference has an encoder's features at hand when it builds the block that they go into;
    here a block's share of them is computed before the latents, so that it is built earlier.

    Args:
        parameters: All of a network's, in any order of parts and levels, but kernels before biases,
            blocks and a block's 3x3 convolutions in their own.
        config: The network's shape.

    Reference: `HierarchicalProbUNet` and `res_block` in the reference's model.
    """
    parts = _children_of_parts(config)
    # Widths may make either one needless.
    ends = ("skip", "expand")

    def place(parameter: Parameter) -> tuple[int, ...]:
        part, child, *inner = parameter.module.split("/")
        block, conv = inner or ("block_0", "conv_0")
        return (
            list(parts).index(part),
            parts[part].index(child),
            int(block.removeprefix("block_")),
            1 + ends.index(conv) if conv in ends else 0,
        )

    return sorted(parameters, key=place)


def _children_of_parts(config: ModelConfig) -> dict[str, list[str]]:
    finest = config.level_of_scale(config.num_scales - 1) - 1
    encoder = [f"level_{level}" for level in range(config.num_levels)]
    decoder = []
    for scale in range(config.num_scales):
        decoder += [f"latent_{scale}", f"level_{config.level_of_scale(scale) - 1}"]
    stitching = [f"level_{level}" for level in range(finest - 1, -1, -1)]
    return {
        "posterior_encoder": encoder,
        "posterior_decoder": decoder,
        "prior_encoder": encoder,
        "prior_decoder": decoder,
        "stitching_decoder": [*stitching, "logits"],
    }
