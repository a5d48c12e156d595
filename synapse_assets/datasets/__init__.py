"""What a dataset is: a YAML file that says where its volumes and synapse tables are and how to read them.

A dataset is data, not code: `load_dataset` reads one of the files beside this module, or a YAML file of your own, into a typed
`EmDataset`, `MorphologyDataset` or `StainingDataset`, or one of another chain that was registered. Reading the tables, pictures and
volumes themselves belongs to `sources/` and `volumes/`.
"""

from synapse_assets.datasets.base import Author, Dataset, Publication
from synapse_assets.datasets.chain import CHAINS, AssetFacts, Chain, Role, chain_of, register
from synapse_assets.datasets.detection import Annotation, DetectionDataset, DetectorChoice
from synapse_assets.datasets.detection_chain import DETECTION
from synapse_assets.datasets.em import EmDataset, EncoderChoice, NetworkChoice
from synapse_assets.datasets.em_chain import EM
from synapse_assets.datasets.loading import Place, load_dataset, packaged_datasets, places_of, variables_named
from synapse_assets.datasets.morphology import (
    FeatureChoice,
    Group,
    LabelFile,
    MorphologyDataset,
    Resampling,
    Workbook,
    WorkbookColumns,
)
from synapse_assets.datasets.morphology_chain import MORPHOLOGY
from synapse_assets.datasets.publishing import columns_left_out
from synapse_assets.datasets.sources import (
    CaveSource,
    Columns,
    CremiSource,
    NeuronColumns,
    NeuronSource,
    NeuronTable,
    PointsSource,
    Source,
    SynisterNeurons,
    SynisterSource,
)
from synapse_assets.datasets.staining import (
    TEXTURE_PROBE,
    ImageColumns,
    ImageSource,
    StainingDataset,
    StainNetworkChoice,
)
from synapse_assets.datasets.staining_chain import STAINING
from synapse_assets.datasets.subsets import PublishedFile, PublishedSubset
from synapse_assets.datasets.volumes import ArraySpec, LabelsFrom, LabelVolumeSpec, TileSpec, VolumeSpec

__all__ = [
    "CHAINS",
    "DETECTION",
    "EM",
    "MORPHOLOGY",
    "STAINING",
    "TEXTURE_PROBE",
    "Annotation",
    "ArraySpec",
    "AssetFacts",
    "Author",
    "CaveSource",
    "Chain",
    "Columns",
    "CremiSource",
    "Dataset",
    "DetectionDataset",
    "DetectorChoice",
    "EmDataset",
    "EncoderChoice",
    "FeatureChoice",
    "Group",
    "ImageColumns",
    "ImageSource",
    "LabelFile",
    "LabelVolumeSpec",
    "LabelsFrom",
    "MorphologyDataset",
    "NetworkChoice",
    "NeuronColumns",
    "NeuronSource",
    "NeuronTable",
    "Place",
    "PointsSource",
    "Publication",
    "PublishedFile",
    "PublishedSubset",
    "Resampling",
    "Role",
    "Source",
    "StainNetworkChoice",
    "StainingDataset",
    "SynisterNeurons",
    "SynisterSource",
    "TileSpec",
    "VolumeSpec",
    "Workbook",
    "WorkbookColumns",
    "chain_of",
    "columns_left_out",
    "load_dataset",
    "packaged_datasets",
    "places_of",
    "register",
    "variables_named",
]
