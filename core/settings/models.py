"""`engines.NAME.model`: the rule is core/engines/model_source.py's; here it is a kind of value."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from core.engines import model_source
from core.errors import SettingsError


def _checked(text: str) -> str:
    try:
        return model_source.parse(text).text
    except SettingsError as error:
        raise ValueError(str(error)) from error


Model = Annotated[str, AfterValidator(_checked)]  # in its shortest form: a model's page becomes its id
