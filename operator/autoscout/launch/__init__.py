"""What a person runs to realise a configuration: a command line, a script, a manifest. Pure.

launch     from a TuningJob and a configuration to all of it
program    what is started: words, variables, files; megatron and vllm write it for their frameworks
shell      a program as one line and as a script
manifest   a program as Kubernetes objects
"""

from __future__ import annotations
