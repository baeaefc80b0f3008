# docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=true --tag REPOSITORY:VERSION \
#     --build-arg VERSION=VERSION --build-arg REVISION="$(git rev-parse HEAD)" --push .
#
# The build runs on the platform that it is for: on nodes of that kind, or emulated.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# Writes the list of what went in, with versions, into the binary: what --sbom and every scanner of images reads.
RUN cargo install --locked --version 0.7.7 cargo-auditable
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
COPY tests tests
RUN cargo auditable build --locked --release

# glibc and libgcc, no shell, no package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="idp-multicloud" \
      org.opencontainers.image.description="Decides at admission, provably and for life, which cloud a managed database runs in" \
      org.opencontainers.image.source="https://github.com/idp-multicloud/idp-multicloud" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /src/target/release/idp-multicloud /usr/local/bin/idp-multicloud
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/idp-multicloud"]
CMD ["serve"]
