# Kindred in a container. `docker build -t kindred .`, then 
# `docker run --rm -v kindred-data:/data kindred tokens add me --scopes admin` (shown once), then
# `docker run -p 7400:7400 -v kindred-data:/data kindred`.
# The data directory is /data/kindred-data; every command runs as `docker exec CONTAINER kindred COMMAND`.

FROM node:22-bookworm-slim AS build
WORKDIR /app
# Apart from the sources, so that a change of these alone installs nothing anew. `prepare` would build, and there is
# nothing to build yet; the native packages come with their binaries and need no script.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run -s build \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -f dist/.tsbuildinfo \
 && chmod +x dist/src/cli/main.js

FROM node:22-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /app /app
# A new volume takes the owner of the directory that it is mounted on.
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/kindred \
 && mkdir /data /seed \
 && chown node:node /data /seed
USER node
WORKDIR /data
VOLUME /data
EXPOSE 7400
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.KINDRED_PORT || 7400}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--min-semi-space-size=16", "--no-memory-reducer", "/app/dist/src/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0"]
