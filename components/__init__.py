"""What `pulumi up` makes: `deployment.py` looks at the kind of host and hands over to the folder of its kind, `aws/`.

A component is `@dataclass(frozen=True) class XArgs` and `class X(pulumi.ComponentResource)` with the type token
`pilotlight:index:X`; children have `ResourceOptions(parent=self)`.
"""
