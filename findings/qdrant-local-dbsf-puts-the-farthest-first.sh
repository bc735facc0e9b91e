#!/usr/bin/env bash
# qdrant-client 1.20.0, local mode (QdrantClient(":memory:") or a path): a hybrid query fused with DBSF puts the farthest points
# first where the distance is Euclid or Manhattan. Expected was the nearest first, as plain search, RRF and Cosine have it.
#
# DBSF puts the scores of each list on one scale and sums them, the greatest first; a distance is summed as if more were better,
# so a point that words and vectors both rank first comes last. With a list of vectors alone the order is turned round. There is
# no error and no warning, and the page on hybrid queries names no condition on the distance.
# Issue 10611 of qdrant/qdrant has it of the server; pull request 1455 of qdrant/qdrant-client, for local mode, is open.
#
# Seen on Python 3.11; point 0 lies at the query and its word weighs most, point 4 is the farthest in both:
#   Cosine: plain [0, 1, 2, 3, 4], words alone [0, 1, 2, 3, 4]
#     RRF: vectors [0, 1, 2, 3, 4], with words [0, 1, 2, 3, 4]
#     DBSF: vectors [0, 1, 2, 3, 4], with words [0, 1, 2, 3, 4]
#   Euclid: plain [0, 1, 2, 3, 4], words alone [0, 1, 2, 3, 4]
#     RRF: vectors [0, 1, 2, 3, 4], with words [0, 1, 2, 3, 4]
#     DBSF: vectors [4, 3, 2, 1, 0], with words [3, 2, 1, 4, 0]
#   Manhattan: plain [0, 1, 2, 3, 4], words alone [0, 1, 2, 3, 4]
#     RRF: vectors [0, 1, 2, 3, 4], with words [0, 1, 2, 3, 4]
#     DBSF: vectors [4, 3, 2, 1, 0], with words [3, 2, 1, 4, 0]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  qdrant-client==1.20.0 numpy==2.4.6
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from qdrant_client import QdrantClient, models
client = QdrantClient(":memory:")
query, word = [1.0, 1.0], models.SparseVector(indices=[7], values=[1.0])
rrf, dbsf = (models.FusionQuery(fusion=fusion) for fusion in (models.Fusion.RRF, models.Fusion.DBSF))
for distance in models.Distance.COSINE, models.Distance.EUCLID, models.Distance.MANHATTAN:
    client.create_collection(
        distance, vectors_config={"dense": models.VectorParams(size=2, distance=distance)},
        sparse_vectors_config={"words": models.SparseVectorParams()})
    client.upsert(distance, [
        models.PointStruct(id=n, vector={
            "dense": [1.0 + n, 1.0], "words": models.SparseVector(indices=[7], values=[[5.0, 4.9, 4.8, 4.7, 2.0][n]])})
        for n in range(5)])
    near, said = models.Prefetch(query=query, using="dense", limit=5), models.Prefetch(query=word, using="words", limit=5)
    def ask(**settings):
        return [point.id for point in client.query_points(distance, limit=5, **settings).points]
    print(f"{distance.value}: plain {ask(query=query, using='dense')}, words alone {ask(query=word, using='words')}")
    for name, fusion in ("RRF", rrf), ("DBSF", dbsf):
        print(f"  {name}: vectors {ask(prefetch=[near], query=fusion)}, "
              f"with words {ask(prefetch=[near, said], query=fusion)}")
client.close()
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
