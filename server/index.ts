/** server: the HTTP port, with the Iceberg REST catalog on it. */
export { createServer, type Server, type ServerOptions } from './create-server.ts'
