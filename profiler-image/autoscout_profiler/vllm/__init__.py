"""Measuring vLLM: one configuration under one load.

    child        the process that the supervisor starts
    settings     what a trial asks for
    requests     prompts, lengths and arrival times, the same for every configuration
    model        the model files that are mounted, or a config.json for an architecture
    knobs        the names of a configuration, and the engine's own arguments
    address      the name of the first node
    layout       how the workers of a configuration lie on several nodes
    environment  the variables that vLLM reads
    launch       from a trial to a running engine
    arguments    the engine's arguments and configuration, checked by the installed vLLM
    engine       what both ways of running it have in common
    offline      vllm.LLM: all requests at once
    serving      the asynchronous engine: Poisson arrivals, or a fixed number of requests in flight
    follower     the other nodes of several
    worker       what runs inside the engine's workers
    measurement  the passes: warm up, measure, report
    timeline     what was seen of each request, and the metrics that follow from it
    memory       the memory of a tree of processes

Only `launch`, `arguments`, `offline`, `serving`, `follower` and `worker` import vLLM or torch.
"""
