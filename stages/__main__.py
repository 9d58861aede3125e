"""`python -m stages NAME`: run a stage as `dvc repro` does."""

import sys

try:
    import argparse

    from wsgcn.running.stage import STAGES, run_stage
except KeyboardInterrupt:
    sys.exit(130)

parser = argparse.ArgumentParser(prog="python -m stages", description="Run one stage of the pipeline.")
parser.add_argument("stage", choices=STAGES, help="its name in dvc.yaml")
run_stage(parser.parse_args().stage)
