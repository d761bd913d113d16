"""The zones of the sample months: the busiest by their real names, the others numbered."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nyc_tlc.core.zones.lookup import SAMPLE_SERVICE_ZONE

_MANHATTAN = {
    41: "Central Harlem", 42: "Central Harlem North", 43: "Central Park", 48: "Clinton East",
    68: "East Chelsea", 74: "East Harlem North", 75: "East Harlem South", 79: "East Village",
    100: "Garment District", 107: "Gramercy", 113: "Greenwich Village North",
    140: "Lenox Hill East", 141: "Lenox Hill West", 142: "Lincoln Square East",
    161: "Midtown Center", 162: "Midtown East", 163: "Midtown North", 164: "Midtown South",
    166: "Morningside Heights", 170: "Murray Hill", 186: "Penn Station/Madison Sq West",
    229: "Sutton Place/Turtle Bay North", 230: "Times Sq/Theatre District", 234: "Union Sq",
    236: "Upper East Side North", 237: "Upper East Side South", 238: "Upper West Side North",
    239: "Upper West Side South", 244: "Washington Heights South", 249: "West Village",
    263: "Yorkville West",
}  # fmt: skip
_QUEENS = {
    7: "Astoria", 82: "Elmhurst", 95: "Forest Hills", 129: "Jackson Heights",
    132: "JFK Airport", 138: "LaGuardia Airport",
}  # fmt: skip
_BROOKLYN = {
    25: "Boerum Hill", 33: "Brooklyn Heights", 65: "Downtown Brooklyn/MetroTech",
    97: "Fort Greene", 181: "Park Slope",
}  # fmt: skip
_BUSIEST = {
    "yellow": (237, 161, 132, 236, 162, 186, 142, 230, 138, 170, 163, 239, 234, 68, 48, 141, 79),
    "green": (74, 75, 41, 166, 95, 82, 97, 7, 42, 129, 244, 65, 33, 181, 25),
}
_BUSY_SHARE = 0.7
"""Part of all pick-ups that the busiest zones have between them."""


def zone_weights(service: str) -> npt.NDArray[np.float64]:
    """Probability of a pick-up in each of the zones 1..263, in order."""
    weights = np.full(263, (1 - _BUSY_SHARE) / 263)
    busiest = np.array(_BUSIEST.get(service, _BUSIEST["yellow"]))
    ranks = 1 / np.arange(2, busiest.size + 2)
    weights[busiest - 1] += _BUSY_SHARE * ranks / ranks.sum()
    normalised: npt.NDArray[np.float64] = weights / weights.sum()
    return normalised


def write_zone_lookup(path: Path) -> None:
    """Write a lookup in the form of TLC's: CRLF, quoted, ``N/A`` as text in 264 and 265.

    Its service zones say that it is a sample.
    """
    lines = ['"LocationID","Borough","Zone","service_zone"']
    lines += [_line(location_id) for location_id in range(1, 264)]
    lines += ['264,"Unknown","N/A","N/A"', '265,"N/A","Outside of NYC","N/A"']
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")


def zone_name(location_id: int) -> tuple[str, str]:
    """Borough and zone."""
    for borough, names in (
        ("Manhattan", _MANHATTAN), ("Queens", _QUEENS), ("Brooklyn", _BROOKLYN),
    ):  # fmt: skip
        if location_id in names:
            return borough, names[location_id]
    return "Queens", f"Zone {location_id}"


def _line(location_id: int) -> str:
    borough, zone = zone_name(location_id)
    return f'{location_id},"{borough}","{zone}","{SAMPLE_SERVICE_ZONE}"'
