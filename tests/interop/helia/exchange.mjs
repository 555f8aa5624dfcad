// A helia node without a network: reads an archive of ours, and makes one for us.
//   node exchange.mjs read ARCHIVE ROOT FILE     imports the archive, writes the file under ROOT
//   node exchange.mjs write FILE ARCHIVE         adds the file, writes its archive, prints its CID
import { readFileSync, writeFileSync } from 'node:fs'
import { car } from '@helia/car'
import { unixfs } from '@helia/unixfs'
import { CarReader } from '@ipld/car'
import { createHelia } from 'helia'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'

const [way, from, ...rest] = process.argv.slice(2)
const helia = await createHelia({ start: false })
const collected = async (pieces) => {
  const parts = []
  for await (const piece of pieces) parts.push(piece)
  return Buffer.concat(parts)
}
if (way === 'read') {
  const [root, to] = rest
  await car(helia).import(await CarReader.fromBytes(readFileSync(from)))
  writeFileSync(to, await collected(unixfs(helia).cat(CID.parse(root))))
} else {
  const options = {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: 262144 }),
    layout: balanced({ maxChildrenPerNode: 174 })
  }
  const root = await unixfs(helia).addBytes(readFileSync(from), options)
  writeFileSync(rest[0], await collected(car(helia).export(root)))
  console.log(root.toString())
}
process.exit(0)
