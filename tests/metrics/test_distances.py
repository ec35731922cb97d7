from darkroom.commands.checking import folders
from darkroom.metrics.distances import FAMILIES


def test_the_check_knows_the_families_that_there_are():
    assert tuple(FAMILIES) == folders.FAMILIES
