"""Running the processes of one profile: a supervisor that needs no framework, and what its children use.

entry       the subcommands megatron and vllm
launch      which processes to start, with which environment; pure
processes   one started process: its output, its frames, its end
supervisor  starts them, watches their progress, ends them, says what became of the trial
failures    why a process failed, and which failure of many is the cause
memory      whether the kernel killed for memory
child       what a framework's process uses: a reporter, errors as records, an early stop
"""
