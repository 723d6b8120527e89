"""The page on `/` of the API's port, for people: what each service does and why, a wake as it happens, and the buttons.

A person without a session is a visitor and reads only whether something is being prepared. Who logs in with an API key
that is marked as an operator's (`operator` in keys.json) sees names and money, and may wake, pin and stop.

`app.py` answers, `sessions.py` and `operators.py` say who it is, `look.py` and `past.py` gather, `show.py` makes of it
what the templates print, `stream.py` keeps an open page up to date. To add something to the page: a field in `show.py`,
a file in `templates/parts/`, its name in `pages.PARTS`.
"""
