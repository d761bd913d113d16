"""Time one of the loaders in this folder, in an environment that has its packages only."""

import importlib
import json
import os
import sys
import time


def main() -> None:
    name, parquet, schema, table = sys.argv[1:]
    loader = importlib.import_module(name)
    began = time.perf_counter()
    loader.load(parquet, os.environ["DATABASE_URL"], schema, table)
    print(json.dumps({"seconds": round(time.perf_counter() - began, 3)}))


if __name__ == "__main__":
    main()
