"""A network that names the class of a window of a picture, and the map of all windows in one pass.

A window is a square of the picture with its real surroundings, the halo; beyond its edge the picture is reflected. So the features of a
window are the same whether it was cut out or the whole picture was seen: what layers pad with stays in the halo, which is cropped away.

What does not belong here: training (see `training.stain`), bodies (see `networks.stain`), pictures as files, and what is made of maps
(thresholds, colours, scores).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from synapse_assets.errors import BadInput
from synapse_assets.vision.devices import Precision, pick_device
from synapse_assets.vision.inference import BatchRunner, computing
from synapse_assets.vision.network_files import NetworkFiles, fill
from synapse_assets.vision.networks.dense_head import HeadKind, dense_head
from synapse_assets.vision.networks.stain import STRIDE_PX, build_body

StainOrigin = Literal["scratch", "hub", "checkpoint"]

DEFAULT_BLOCK_PX = 1024


@dataclass(frozen=True)
class StainSpec:
    """Everything about a network but its weights.

    architecture: 'small_stain', or timm's name (see `networks.stain`). classes: names in the order of the logits.
    channels: of the pictures. window_px: side of a window. stride_px: between features, and the finest between windows.
    halo_px: real surroundings that a window is seen with, on each side. pixel_nm: side of a pixel in nanometres, in training as in use.
    white_level: value that counts as 1; what is brighter counts as 1 too. mean, std: normalisation of each channel, of values scaled so.
    head: "linear", one layer from pooled features to classes; "three_layers", 2048, 2048 and the classes, with ReLU and dropout.
    origin: what training started from. source: which weights exactly, and what it was trained on.
    """

    architecture: str
    classes: tuple[str, ...]
    channels: int
    window_px: int
    halo_px: int
    pixel_nm: float
    white_level: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    head: HeadKind = "three_layers"
    origin: StainOrigin = "scratch"
    source: str = ""
    stride_px: int = STRIDE_PX

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise BadInput(f"network: classes must be at least two different names, not {list(self.classes)}")
        if self.stride_px != STRIDE_PX or self.window_px < STRIDE_PX or self.halo_px < 0:
            raise BadInput(
                f"network: windows of {self.window_px} px with a halo of {self.halo_px} px and features {self.stride_px} px apart: "
                f"features lie {STRIDE_PX} px apart, windows are at least as large, and a halo is 0 or more"
            )
        if self.window_px % STRIDE_PX or self.halo_px % STRIDE_PX:
            raise BadInput(
                f"network: window_px ({self.window_px}) and halo_px ({self.halo_px}) must be multiples of {STRIDE_PX}, the distance of "
                "features"
            )
        if len(self.mean) != self.channels or len(self.std) != self.channels or not self.std or min(self.std) <= 0:
            raise BadInput(
                f"network: {self.channels} channels need as many means and deviations above zero, not {self.mean} and {self.std}"
            )
        if self.white_level < 1 or self.pixel_nm <= 0:
            raise BadInput(
                f"network: white_level ({self.white_level}) must be at least 1, and pixel_nm ({self.pixel_nm}) above zero"
            )
        if self.head not in ("linear", "three_layers"):
            raise BadInput(f"network: its head must be 'linear' or 'three_layers', not '{self.head}'")

    @property
    def seen_px(self) -> int:
        """Side of what a window is seen with: itself and the halo."""
        return self.window_px + 2 * self.halo_px


class WindowNetwork(nn.Module):
    """From windows with their halo to logits as one module: scaling, normalisation, body, crop, mean over the window, head. Its body's
    output sets the head's width. Gradients flow from logits to what `scaled` gives."""

    def __init__(self, spec: StainSpec, body: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        shape = (1, spec.channels, 1, 1)
        self.register_buffer("mean", torch.tensor(spec.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(shape), persistent=False)
        self.body = body
        was_training = body.training
        with torch.inference_mode():
            probe = torch.zeros(1, spec.channels, 2 * spec.stride_px, 2 * spec.stride_px)
            self.dimensions = int(body.eval()(probe).shape[1])
        body.train(was_training)
        self.head = dense_head(spec.head, self.dimensions, len(spec.classes))

    def scaled(self, pixels: Tensor) -> Tensor:
        """Values as they were read, uint8 or uint16, to float32 of 0 to 1."""
        return (pixels.float() / self.spec.white_level).clamp(max=1)

    def maps_of(self, scaled: Tensor) -> Tensor:
        """Features, float32 (N, D, H / 16, W / 16), of scaled pictures (N, channels, H + 2 halo_px, W + 2 halo_px)."""
        pixels = (scaled - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        if pixels.device.type != "mps":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        maps = cast(Tensor, self.body(pixels))
        halo = self.spec.halo_px // self.spec.stride_px
        return maps[..., halo : maps.shape[-2] - halo, halo : maps.shape[-1] - halo].float()

    def logits_of(self, pooled: Tensor) -> Tensor:
        """Logits, float32 (N, K), of features averaged over a window, (N, D): in float32 whatever the precision around it."""
        with torch.autocast(pooled.device.type, enabled=False):
            return cast(Tensor, self.head(pooled.float()))

    def of_scaled(self, scaled: Tensor) -> Tensor:
        """Logits, float32 (N, K), of scaled windows (N, channels, seen_px, seen_px)."""
        return self.logits_of(self.maps_of(scaled).mean((2, 3)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits, float32 (N, K), of windows as they were read, (N, channels, seen_px, seen_px)."""
        return self.of_scaled(self.scaled(pixels))


@dataclass(frozen=True)
class DenseMap:
    """What a network says of all windows of a picture.

    probabilities, logits: float32 (K, rows, columns), by class. first_px: centre of the first window from the picture's left and upper
    edge, in pixels. stride_px: from one window to the next, in pixels.
    """

    probabilities: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]
    first_px: float
    stride_px: int


def picture_probabilities(dense_map: DenseMap) -> npt.NDArray[np.float64]:
    """Probability of each class for a whole picture, (K,): the mean over its windows."""
    return dense_map.probabilities.mean((1, 2), dtype=np.float64)


class StainNetwork:
    """A trained network with its specification. Made by `load` or by `training.stain.train_stain_network`."""

    def __init__(self, spec: StainSpec, network: WindowNetwork) -> None:
        self.spec = spec
        self.network = network.eval()

    def dense(
        self,
        picture: npt.NDArray[Any],
        device: str = "auto",
        precision: Precision | None = None,
        stride_px: int | None = None,
        block_px: int = DEFAULT_BLOCK_PX,
    ) -> DenseMap:
        """The map of every window of a picture, uint8 or uint16 (channels, H, W), in one fully convolutional pass.

        Windows begin at multiples of `stride_px` (the network's own, 16, if not given; a multiple of it) and lie wholly in the picture. In
        float32, which is used unless bfloat16 is asked for, it equals `windows` to 1e-5; bfloat16 is coarser by a thousand times.
        device: "auto" (the best one here), "cuda", "mps" or "cpu".

        Memory: the picture is worked through in blocks of `block_px` with their halo, whatever its size. A block takes 4 bytes for each of
        its pixels and of the channels of the widest layers that are held at once (vgg19: up to 3 x 64, so 1.3 GB for 1024 px; small_stain
        0.2 GB); the features of the picture take 4 D / 256 bytes a pixel (vgg19: 8, small_stain: 2).

        Raises BadInput for pictures that are smaller than a window, of other channels or of another type, a stride that is no multiple of
        the network's, and a device that is not available.
        """
        self._check(picture)
        stride = self._stride(stride_px)
        compute = pick_device(device)
        network = self.network.to(compute)
        with computing(compute, precision or "float32"):
            features = self.features(picture, compute, block_px)
            window, step = self.spec.window_px // STRIDE_PX, stride // STRIDE_PX
            rows = []
            for top in range(0, features.shape[1] - window + 1, step):
                across = features[:, top : top + window].mean(1)
                rows.append(network.logits_of(functional.avg_pool1d(across, window, step).T))
            logits = torch.stack(rows).permute(2, 0, 1)
            probabilities = logits.softmax(0)
        return DenseMap(
            probabilities=probabilities.contiguous().cpu().numpy(),
            logits=logits.contiguous().cpu().numpy(),
            first_px=self.spec.window_px / 2,
            stride_px=stride,
        )

    def windows(
        self,
        picture: npt.NDArray[Any],
        corners_px: npt.NDArray[np.int64],
        device: str = "auto",
        precision: Precision | None = None,
    ) -> npt.NDArray[np.float32]:
        """Logits, float32 (N, K), of single windows of a picture, each cut out with its halo: what `dense` gives, at the cost of the halo.

        corners_px: int64 (N, 2), y and x of each window's upper left pixel, multiples of 16; N may be 0. Other arguments and errors: see
        `dense`; BadInput also for corners of windows that do not lie in the picture or not on the stride.
        """
        self._check(picture)
        spec = self.spec
        corners = np.asarray(corners_px)
        if corners.ndim != 2 or corners.shape[1] != 2 or not np.issubdtype(corners.dtype, np.integer):
            raise BadInput(
                f"network: corners must be whole numbers (N, 2), y and x, not {corners.dtype} {corners.shape}"
            )
        last = np.array(picture.shape[1:]) - spec.window_px
        wrong = np.flatnonzero(((corners < 0) | (corners > last) | (corners % spec.stride_px != 0)).any(1))
        if len(wrong):
            raise BadInput(
                f"network: the window at y, x = {corners[wrong[0]].tolist()} does not lie in the picture of {picture.shape[1:]} px, or not "
                f"on the stride of {spec.stride_px} px: corners go from 0 to {last.tolist()}"
            )
        if not len(corners):
            return np.empty((0, len(spec.classes)), np.float32)
        # As many at once as have the pixels of a block.
        batch = max(1, DEFAULT_BLOCK_PX**2 // spec.seen_px**2)
        runner = BatchRunner(self.network, device, precision or "float32", batch)
        chunks = (corners[first : first + batch] for first in range(0, len(corners), batch))
        return np.concatenate([runner.run(cut_windows(picture, chunk, spec)) for chunk in chunks])

    def save(self, path: Path) -> None:
        """Writes one safetensors file, whole or not at all: the weights, with the specification as JSON in its metadata."""
        _FILES.write(path, self.spec, self.network)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The network that `save` wrote, to the bit.

        Raises BadInput, naming the file, where there is none, it is damaged, of another kind, of a newer version of this program, or holds
        the weights of another architecture than it says.
        """
        spec, weights = read_stain_network(path)
        network = WindowNetwork(spec, build_body(spec.architecture, spec.channels))
        fill(network, weights, spec.architecture, path)
        return cls(spec, network)

    def _check(self, picture: npt.NDArray[Any]) -> None:
        check_picture(picture, self.spec.channels, self.spec.window_px)

    def _stride(self, asked: int | None) -> int:
        stride = self.spec.stride_px if asked is None else asked
        if stride < 1 or stride % self.spec.stride_px:
            raise BadInput(
                f"network: windows {stride} px apart, but features lie {self.spec.stride_px} px apart: choose a multiple of that"
            )
        return stride

    def features(self, picture: npt.NDArray[Any], device: torch.device, block_px: int = DEFAULT_BLOCK_PX) -> Tensor:
        """Features of a whole picture (`dense`), float32 (D, H // 16, W // 16), on the device, in blocks; gradients as around it."""
        stride = self.spec.stride_px
        height, width = (side // stride for side in picture.shape[1:])
        features = torch.empty(self.network.dimensions, height, width, device=device)
        for top, left, rows, columns in _blocks(height, width, max(1, block_px // stride)):
            size = rows * stride, columns * stride
            pixels = _with_halo(picture, top * stride, left * stride, size, self.spec.halo_px)
            maps = self.network.maps_of(self.network.scaled(torch.from_numpy(pixels)[None].to(device)))
            features[:, top : top + rows, left : left + columns] = maps[0]
        return features


_FILES = NetworkFiles("synapse_assets.stain_network", 1, StainSpec)


def is_stain_network_file(path: Path) -> bool:
    """Whether `StainNetwork.save` wrote this file, as far as its metadata tell."""
    return _FILES.are(path)


def read_stain_network(path: Path) -> tuple[StainSpec, dict[str, Tensor]]:
    """Specification and weights, by name, in a file of `StainNetwork.save`. Raises BadInput as `StainNetwork.load`."""
    return _FILES.read(path)


def check_picture(picture: npt.NDArray[Any], channels: int, window_px: int, name: str = "the picture") -> None:
    """Raises BadInput, calling the picture `name`, unless it is uint8 or uint16 (channels, H, W) and at least as large as a window."""
    if picture.dtype not in (np.uint8, np.uint16) or picture.ndim != 3:
        raise BadInput(
            f"network: {name} must be uint8 or uint16 (channels, height, width), not {picture.dtype} {picture.shape}"
        )
    if picture.shape[0] != channels:
        raise BadInput(
            f"network: {name} has {picture.shape[0]} channels, and the network sees {channels}: choose as many (channels in the dataset's "
            "YAML)"
        )
    if min(picture.shape[1:]) < window_px:
        raise BadInput(
            f"network: {name} of {picture.shape[1]} x {picture.shape[2]} px is smaller than a window of {window_px} px: leave it out, or "
            "choose smaller windows (window_px in the dataset's YAML)"
        )


def cut_windows(picture: npt.NDArray[Any], corners_px: npt.NDArray[np.int64], spec: StainSpec) -> npt.NDArray[Any]:
    """Windows with their halo, (N, channels, seen_px, seen_px) of the picture's type. corners_px: of the windows, (N, 2), anywhere."""
    size = spec.window_px, spec.window_px
    return np.stack([_with_halo(picture, int(y), int(x), size, spec.halo_px) for y, x in corners_px])


def _with_halo(picture: npt.NDArray[Any], top: int, left: int, size: tuple[int, int], halo_px: int) -> npt.NDArray[Any]:
    """A part of the picture with so much around it: what lies outside is reflected, again and again where the picture is small."""
    rows, columns = (
        np.pad(np.arange(side), halo_px, mode="reflect")[first : first + length + 2 * halo_px]
        for side, first, length in zip(picture.shape[1:], (top, left), size, strict=True)
    )
    return picture[:, rows[:, None], columns]


def _blocks(height: int, width: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Upper and left end, rows and columns of blocks that cover (height, width)."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield top, left, min(side, height - top), min(side, width - left)
