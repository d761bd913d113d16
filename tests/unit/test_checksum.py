"""CRC-32C as Cloud Storage writes it."""

from nyc_tlc.core.checksum import crc32c


def test_the_check_value_of_the_catalogue_of_crcs():
    assert crc32c(b"123456789") == "4waSgw=="
