# An image for machines without a GPU, with the package and the weights of the default text encoder:
#     docker build --tag recbole-idp .
FROM python:3.12-slim

# PyTorch's own index has a build without CUDA, which is some gigabytes smaller. Its bounds are those of setup.py, as for
# all other packages: what one version of this package was tested with.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" "torch>=2.6,<2.15"

# The checkout stays: the stand-in for Ray is required by its place.
WORKDIR /opt/recbole_idp
COPY . .
# What runs read and leave lies in /work: dataset/, saved/, results/, log/. Settings and caches go there as well (HOME), so
# that a container works under any user's number.
RUN pip install --no-cache-dir ".[offline,serve]" \
    && useradd --uid 1000 --home-dir /work --create-home recbole
ENV HOME=/work
USER 1000
WORKDIR /work
VOLUME ["/work"]
EXPOSE 8000
ENTRYPOINT ["recbole-idp"]
CMD ["help"]
