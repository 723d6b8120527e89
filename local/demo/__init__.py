"""The story that `make demo` tells: a stack, a question, an idle stop, a wake, and what it cost."""
