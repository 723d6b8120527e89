"""Properties that many tables share, by the word that the tables use for them (`behaviour.py` says what they mean)."""

from __future__ import annotations

from typing import Final

from local.provider.properties import Change, Prop

UPDATE, RESTART, REPLACE = Change.UPDATE, Change.RESTART, Change.REPLACE

NEVER: Final = "AWS cannot change it on a resource that exists"
TAGS: Final = Prop()
NAME: Final = Prop(REPLACE, computed=True, uneditable=NEVER)
FIXED: Final = Prop(REPLACE, uneditable=NEVER)
FIXED_COMPUTED: Final = Prop(REPLACE, computed=True, uneditable=NEVER)
ARGUMENT: Final = "an argument to the provider, not a property of the resource"
# pulumi-aws 7: every regional resource takes `region`. provider/interceptors: ForceNew
REGION: Final = Prop(REPLACE, computed=True, uneditable="a resource cannot move")
FALSE: Final = Prop(default=False)
CHOSEN: Final = Prop(computed=True)
