"""What make_jinja.py and check_chat_templates.py share: rendering as
transformers' apply_chat_template does, on a fixed date."""

from datetime import datetime

import jinja2
from transformers.utils import chat_template_utils

NOW = datetime(2026, 3, 4, 5, 6, 7)


class FixedDatetime(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat_template_utils.datetime = FixedDatetime


def outcome(source, variables):
    """The text; what raise_exception said ("refusal"); or another error."""
    try:
        return {"text": chat_template_utils._compile_jinja_template(source).render(**variables)}
    except Exception as err:
        if type(err) is jinja2.exceptions.TemplateError:
            return {"refusal": str(err)}
        return {"error": f"{type(err).__name__}: {err}"}
