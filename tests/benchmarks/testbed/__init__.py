"""A modelled testbed: A100 and A40 nodes that train and serve, for those who have no table of their own.

Nothing here was measured. It is another model than `autoscout.simulators`, or a search with those simulators would be
compared with itself: what the simulators write as formulas is played through here, event by event. It imports nothing
of `autoscout.simulators`. Figures from datasheets cite them; what is an assumption says so.

    cards       the GPUs and how they are connected
    kernels     products in tiles and waves, streams, attention
    links       collectives: protocols, channels, topology
    model       the shape of a model; a training configuration
    layer       one layer's kernels and collectives, launched by a host
    pipeline    1F1B and its interleaved form, played through
    gradients   groups and messages beside backward
    allocator   a caching allocator with its holes
    memory      what a rank allocates, in the order of its schedule
    training    one iteration out of all this
    batching    continuous batching, request by request
    serving     a vLLM-like server around it
    quirks      what no model explains: odd structures, failures, noise
    jobs        the problems: TuningJobs and their spaces
    tables      a problem as NAME.yaml and NAME.csv.gz
"""
