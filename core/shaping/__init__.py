"""What stack files and the relay both need to know of shaped services, so that `pulumi preview` refuses what the relay
could not do:

    patterns.py   what a filter's pattern may be, and how texts are searched
    schemas.py    what a JSON schema may be, and how an answer is checked
    templates.py  what a prompt template may be, and how it is filled
"""
