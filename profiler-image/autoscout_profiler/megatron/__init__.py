"""Real profiles of Megatron: one trial's model, built from its workload, trained for a few iterations and timed.

In the order of a profile:

    knobs        the names that a configuration may use, and their values
    shape        the model, the precision and the task that a workload asks for
    settings     both together, with the degrees that follow from them; rules says which combinations there are
    device       a GPU, or the CPU through cpu_shim
    model        megatron-core's GPTModel for them; attention, lora, overlap are its variants
    samples      what it is trained on; token_file reads, prepare writes such files; batches hands it out to the ranks
    training     the optimizer step of Megatron-LM: pipeline schedule, gradient buckets, distributed optimizer
    profile      warm-up and check, timed iterations, metrics; flops says what a GPU could do
    rank         the main program of one rank

knobs, shape, settings, rules, samples and flops are pure and need no torch.
"""
