"""What the tests of power say of moto's AWS."""

REGION = "us-east-1"
IMAGE = "ami-12c6146b"  # of moto's catalogue; asking for it takes seconds
