"""What the tests of power say of moto's AWS."""

IMAGE = "ami-12c6146b"  # of moto's catalogue; asking for it takes seconds
