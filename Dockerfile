# The command `tide` in an image: built from the locked dependencies, run without the development ones.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /tidewater
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:20.20.2-bookworm-slim
ENV NODE_ENV=production
WORKDIR /lake
COPY --from=build /tidewater/package.json /tidewater/package.json
COPY --from=build /tidewater/node_modules /tidewater/node_modules
COPY --from=build /tidewater/bin/tide.mjs /tidewater/bin/tide.mjs
COPY --from=build /tidewater/dist /tidewater/dist
RUN chmod +x /tidewater/bin/tide.mjs && ln -s /tidewater/bin/tide.mjs /usr/local/bin/tide
USER node
EXPOSE 8181
ENTRYPOINT ["node", "/tidewater/bin/tide.mjs"]
CMD ["serve"]
