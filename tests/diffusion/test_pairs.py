import itertools
import subprocess
import sys

import pytest
from omegaconf import OmegaConf
from oracle import PROCESSES, SAMPLERS, node, plan_of, process_of

from darkroom.diffusion.pairs import pair_faults, require_pair


def nodes(process, sampler):
    return OmegaConf.to_container(node("process", process)), OmegaConf.to_container(node("sampler", sampler))


@pytest.mark.parametrize(("process", "sampler"), list(itertools.product(PROCESSES, SAMPLERS)))
def test_config_nodes_are_refused_where_the_built_parts_are_and_in_the_same_words(process, sampler):
    said = []
    for part in ("sampler", "grid"):
        try:
            require_pair(getattr(plan_of(sampler), part), process_of(process).schedule)
        except ValueError as error:
            said.append(str(error))
    assert pair_faults(*nodes(process, sampler)) == said
    assert bool(said) == (sampler == "edm" and process in ("flow", "flow_shifted", "cosine"))


def test_a_parameterization_is_refused_by_config_too():
    process = nodes("flow", "euler")[0]
    process["parameterization"] = {"_target_": "darkroom.diffusion.parameterization.Eps"}
    (fault,) = pair_faults(process)
    assert fault.startswith("Eps needs a finite sigma/alpha, but Flow ends in pure noise")
    assert "use V, Velocity or X0 with Flow" in fault


def test_parts_from_elsewhere_declare_nothing():
    process, sampler = nodes("flow", "euler")
    sampler["sampler"] = {"_target_": "their_package.sample"}
    assert pair_faults(process, sampler) == []
    process["schedule"] = {"_target_": "their_package.Schedule"}
    assert pair_faults(process, nodes("flow", "edm")[1]) == []


def test_the_check_does_not_import_torch():
    script = "import sys, darkroom.diffusion.pairs; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
