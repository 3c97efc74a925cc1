"""The shapes of the bench, named after the networks they come from."""

from __future__ import annotations

from typing import NamedTuple


class Gemm(NamedTuple):
    """C (M x N) = A B over K, `batch` of them; the layout says what lies transposed in memory:
    NT is a layer (x W^T), NN its gradient of the input, TN its gradient of the weight.
    """

    net: str
    layout: str
    m: int
    n: int
    k: int
    batch: int = 1
    dtype: str = "float32"


# M, N, K: squares, layers of a perceptron, wide layers with 128, 16 and 1 rows, an odd one.
_SQUARES = [(s, s, s) for s in (64, 128, 256, 512, 1024, 2048)]
_LAYERS = [
    (32, 128, 784),
    (64, 10, 128),
    (128, 4096, 1024),
    (16, 4096, 4096),
    (1, 4096, 4096),
    (784, 128, 64),
    (5124, 700, 2048),
]
GEMM = [Gemm("", layout, *s) for layout in ("NN", "NT", "TN") for s in _SQUARES + _LAYERS]
GEMM += [
    Gemm("GPT-2 qkv", "NT", 1024, 2304, 768),
    Gemm("GPT-2 ffn up", "NT", 1024, 3072, 768),
    Gemm("GPT-2 ffn down", "NT", 1024, 768, 3072),
    Gemm("GPT-2 logits, 16 tokens", "NT", 16, 50257, 768),
    Gemm("GPT-2 logits, 1 token", "NT", 1, 50257, 768),
    Gemm("GPT 4x128 qkv", "NT", 1024, 384, 128),
    Gemm("GPT 4x128 ffn dx", "NN", 1024, 128, 512),
    Gemm("GPT 4x128 ffn dw", "TN", 512, 128, 1024),
    Gemm("GPT 4x128 scores", "NT", 64, 64, 32, 64),
    Gemm("GPT 4x128 values", "NN", 64, 32, 64, 64),
    Gemm("BERT base scores", "NT", 128, 128, 64, 96),
    Gemm("BERT base values", "NN", 128, 64, 128, 96),
    Gemm("LSTM 128 gates", "NT", 32, 512, 128),
    Gemm("LSTM 128 gates dx", "NN", 32, 128, 512),
    Gemm("LSTM 128 gates dw", "TN", 512, 128, 2048),
    Gemm("LSTM 512 gates", "NT", 64, 2048, 512),
    Gemm("ResNet-50 head", "NT", 256, 1000, 2048),
    Gemm("ResNet-50 head, 1 image", "NT", 1, 1000, 2048),
    Gemm("LeNet-5 head dw", "TN", 10, 84, 64),
    Gemm("first 3x3 conv dw", "TN", 32, 9, 50176),
    Gemm("3x3 conv dw", "TN", 64, 576, 12544),
    Gemm("matrix times vector", "NN", 4096, 1, 4096),
    Gemm("", "NN", 512, 512, 512, 1, "float64"),
    Gemm("", "NT", 128, 1024, 1024, 1, "float64"),
    Gemm("", "NN", 1, 2048, 2048, 1, "float64"),
]


class Conv(NamedTuple):
    """N x C x H x W images, O filters of K x K, stride, padding, groups, dilation."""

    net: str
    n: int
    c: int
    h: int
    o: int
    k: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    dilation: int = 1
    w: int = 0  # width where it is not the height
    dtype: str = "float32"

    @property
    def width(self) -> int:
        """W."""
        return self.w or self.h


CONV = [
    Conv("LeNet-5 1", 64, 1, 28, 6, 5, 1, 2),
    Conv("LeNet-5 2", 64, 6, 14, 16, 5),
    Conv("MNIST CNN 1", 64, 1, 28, 32, 3, 1, 1),
    Conv("MNIST CNN 2", 64, 32, 14, 64, 3, 1, 1),
    Conv("ResNet-20 first", 64, 3, 32, 16, 3, 1, 1),
    Conv("ResNet-20 16", 64, 16, 32, 16, 3, 1, 1),
    Conv("ResNet-20 32", 64, 32, 16, 32, 3, 1, 1),
    Conv("ResNet-20 64", 64, 64, 8, 64, 3, 1, 1),
    Conv("ResNet first", 4, 3, 224, 64, 7, 2, 3),
    Conv("ResNet 64", 4, 64, 56, 64, 3, 1, 1),
    Conv("ResNet 128", 4, 128, 28, 128, 3, 1, 1),
    Conv("ResNet 256", 4, 256, 14, 256, 3, 1, 1),
    Conv("ResNet 512", 4, 512, 7, 512, 3, 1, 1),
    Conv("ResNet-50 up", 4, 64, 56, 256, 1),
    Conv("ResNet-50 down", 4, 1024, 14, 256, 1),
    Conv("VGG 2", 1, 64, 112, 128, 3, 1, 1),
    # strided
    Conv("ResNet-20 to 32", 64, 16, 32, 32, 3, 2, 1),
    Conv("ResNet to 128", 4, 64, 56, 128, 3, 2, 1),
    Conv("ResNet to 512", 4, 256, 14, 512, 3, 2, 1),
    Conv("ResNet shortcut", 4, 64, 56, 128, 1, 2),
    Conv("ViT patches", 4, 3, 224, 192, 16, 16),
    Conv("DCGAN discriminator", 16, 64, 32, 128, 4, 2, 1),
    Conv("MobileNet first", 4, 3, 224, 32, 3, 2, 1),
    # grouped and depthwise
    Conv("ResNeXt 128", 4, 128, 56, 128, 3, 1, 1, 32),
    Conv("ResNeXt 512", 4, 512, 14, 512, 3, 1, 1, 32),
    Conv("AlexNet 2", 4, 96, 27, 256, 5, 1, 2, 2),
    Conv("MobileNet 32 dw", 4, 32, 112, 32, 3, 1, 1, 32),
    Conv("MobileNet 64 dw", 4, 64, 112, 64, 3, 2, 1, 64),
    Conv("MobileNet 512 dw", 4, 512, 14, 512, 3, 1, 1, 512),
    Conv("ConvNeXt 96 dw", 4, 96, 56, 96, 7, 1, 3, 96),
    # 1x1
    Conv("MobileNet pw", 4, 32, 112, 64, 1),
    Conv("MobileNet pw", 4, 512, 14, 512, 1),
    Conv("sequence 1x1", 4, 64, 1000, 64, 1, w=15),
    # dilated
    Conv("DeepLab", 1, 256, 28, 256, 3, 1, 2, 1, 2),
    Conv("DeepLab rate 4", 1, 128, 28, 128, 3, 1, 4, 1, 4),
    # small images, odd sizes, few filters
    Conv("one small image", 1, 512, 4, 512, 3, 1, 1),
    Conv("VGG 1", 1, 3, 224, 64, 3, 1, 1),
    Conv("odd", 8, 33, 31, 65, 3, 1, 1),
    Conv("U-Net last", 1, 64, 128, 2, 3, 1, 1),
    Conv("Inception", 4, 48, 35, 64, 5, 1, 2),
]
