"""Hints: a place by a cloud's own variables, a kind by SLURM's, never more than they say."""

from __future__ import annotations

import pytest

from jupyter_costmeter.carbon import providers
from jupyter_costmeter.carbon.hints import Hint, hint
from jupyter_costmeter.carbon.snapshot import regions


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"GOOGLE_CLOUD_REGION": "us-central1"}, "gcp/us-central1"),
        ({"CLOUD_ML_REGION": "Europe-West9 "}, "gcp/europe-west9"),
        ({"CLOUDSDK_COMPUTE_REGION": "us-east4"}, "gcp/us-east4"),
        ({"CLOUDSDK_COMPUTE_ZONE": "us-east4-a"}, "gcp/us-east4"),
        ({"AWS_REGION": "eu-west-3"}, "aws/eu-west-3"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, "aws/us-east-1"),
        ({"AWS_REGION": "ca-central-1"}, "aws/ca-central-1"),
        ({"CLOUD_ML_REGION": "global", "CLOUDSDK_COMPUTE_ZONE": "us-west1-b"}, "gcp/us-west1"),
        ({"AWS_REGION": "eu-west-1", "SLURM_CLUSTER_NAME": "pc"}, "aws/eu-west-1"),  # a cluster in a cloud
    ],
)
def test_a_cloud_suggests_a_shipped_region(environ, expected):
    found = hint(environ)
    assert (found.region, found.kind) == (expected, "cloud")
    assert found.why.split(" is ")[0] in environ


def test_it_says_which_variable_says_what():
    assert hint({"AWS_REGION": "eu-west-3"}) == Hint("aws/eu-west-3", "cloud", "AWS_REGION is eu-west-3")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"GOOGLE_CLOUD_REGION": "global"},
        {"GOOGLE_CLOUD_REGION": "us-nowhere9"},
        {"CLOUDSDK_COMPUTE_ZONE": "us-central1"},  # a region is no zone
        {"CLOUDSDK_COMPUTE_ZONE": "a"},
        {"AWS_REGION": "eu-central-9"},
        {"AWS_REGION": ""},
        {"SLURM_CLUSTER_NAME": " "},
        {"REGION_NAME": "westeurope"},
        {"HOME": "FR", "LANG": "fr_FR.UTF-8", "TZ": "Europe/Paris"},
    ],
)
def test_what_says_nothing_suggests_nothing(environ):
    assert hint(environ) is None


def test_slurm_suggests_a_lab_somewhere():
    found = hint({"SLURM_CLUSTER_NAME": "jean-zay"})
    assert (found.region, found.kind) == ("", "lab")
    assert "jean-zay" in found.why


@pytest.mark.parametrize("name", providers.AWS)
def test_every_aws_region_is_suggested(name):
    assert hint({"AWS_REGION": name}).region == f"aws/{name}"


def test_every_google_region_that_is_shipped_is_suggested():
    shipped = [each.id for each in regions() if each.id.startswith("gcp/")]
    assert len(shipped) == 40
    for place in shipped:
        name = place.removeprefix("gcp/")
        assert hint({"GOOGLE_CLOUD_REGION": name}).region == place
        assert hint({"CLOUDSDK_COMPUTE_ZONE": f"{name}-b"}).region == place
