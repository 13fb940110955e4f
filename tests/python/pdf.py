# SPDX-License-Identifier: Apache-2.0
"""PDF files as small as they can be."""


def make_pdf(text: str) -> bytes:
    """One page, as high as its lines need."""
    lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in text.splitlines()]
    height = 144 + 14 * len(lines)
    page = f"BT /F1 12 Tf 14 TL 72 {height - 72} Td " + " T* ".join(f"({line}) Tj" for line in lines) + " ET\n" if lines else ""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
               f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 900 {height}]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
               f"<</Length {len(page)}>>stream\n{page}endstream", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    pdf, places = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(pdf))
        pdf += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    return (pdf + f"xref\n0 6\n0000000000 65535 f \n{table}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{len(pdf)}\n%%EOF\n").encode("latin-1")
