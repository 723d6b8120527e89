"""Shaped services: what the relay does to a request before the engine has it, and to the answer afterwards.

    service.py     one shaped service: its stages in their order, streamed and plain
    visit.py       a request on its way through the stages, and what a stage is
    texts.py       all texts of a request or an answer
    defaults.py    system prompt, temperature, longest answer, prompt template
    filters.py     input filter and output check
    output.py      JSON answers: asked for, checked, repaired once
    truncation.py  an answer that was cut off, and "continue"
    long_input.py  a text that is too long for the model is read in parts
    session.py     tokens of a session
    cache.py       equal requests: kept answers, and one request to the engine at a time
    stream.py      answers as events and back
    asked.py       a request as a whole, bounded
    live.py        a stream that goes on as it comes
    reply.py       what the caller reads, and when

A new stage: a class with `before` and `after` (visit.py), a line in `service.stages`, a field in
`core/contract/shaping.py`. docs/adr/0026-shaped-services.md says why streams are held, and what is not cached.
"""
