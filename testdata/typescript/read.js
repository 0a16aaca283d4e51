// Reads a collection with its vectors from several Weaviates at once and prints how many objects came, as BenchmarkByHand wants it.
// Usage: WEAVIATE_API_KEY=... node read.js iterator|pages COLLECTION MOST REST-HOST:PORT/GRPC-HOST:PORT...
// MOST ends the reading of each after so many objects.
import weaviate from 'weaviate-client';

const [how, name, most, ...addresses] = process.argv.slice(2);
const what = { includeVector: true, returnMetadata: ['creationTime', 'updateTime'] };
const pageSize = 1000;

async function* pages(collection) {
  for (let after; ; ) {
    const { objects } = await collection.query.fetchObjects({ ...what, limit: pageSize, after });
    yield* objects;
    if (objects.length < pageSize) return;
    after = objects.at(-1).uuid;
  }
}

const counts = await Promise.all(addresses.map(async (address) => {
  const [http, grpc] = address.split('/').map((end) => end.split(':'));
  const client = await weaviate.connectToCustom({
    httpHost: http[0], httpPort: Number(http[1]), httpSecure: false, grpcHost: grpc[0], grpcPort: Number(grpc[1]), grpcSecure: false,
    authCredentials: new weaviate.ApiKey(process.env.WEAVIATE_API_KEY),
  });
  const collection = client.collections.get(name);
  let count = 0;
  for await (const object of how === 'pages' ? pages(collection) : collection.iterator(what)) {
    if (object.vectors.default.length === 0) throw new Error(`${object.uuid} came without a vector`);
    if (++count >= most) break;
  }
  await client.close();
  return count;
}));
console.log(counts.reduce((a, b) => a + b));
