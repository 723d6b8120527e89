"""What EC2 may give: instance types, the ladder of a start, quotas, what preview asks first, and what a refusal
means.
"""
